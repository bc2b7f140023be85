/** Bytes that others encoded (vectors/PROVENANCE.md), decoded and said again. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../errors.ts";
import type { MoqtCodec } from "../codec.ts";
import { cursorOver, INCOMPLETE } from "../cursor.ts";
import { draft14 } from "../draft14/index.ts";
import { draft15 } from "../draft15/index.ts";
import { draft16 } from "../draft16/index.ts";
import { bytesOf, cut, hexOf } from "../draft18/fixtures.ts";
import type { ControlMessage } from "../messages.ts";
import type { FullTrackName, Namespace } from "../names.ts";
import type { DataStreamSink, FetchGap, MoqObject, SubgroupHeader } from "../objects.ts";
import { tryQuicVarint, writeQuicVarint } from "../quic-varint.ts";
import type { SharedMessage } from "../shared-messages.ts";
import { canonical, type VarInt } from "../varint.ts";
import { finish, newWriter } from "../writer.ts";

/** What a vector says of a message, stream, datagram or object: numbers and bytes as text. */
interface Fields {
  readonly value?: unknown;
  readonly request_id?: unknown;
  readonly track_alias?: unknown;
  readonly max_request_id?: unknown;
  readonly new_session_uri?: unknown;
  readonly reason_phrase?: unknown;
  readonly stream_count?: unknown;
  readonly track_name?: unknown;
  readonly track_namespace?: unknown;
  readonly group_id?: unknown;
  readonly object_id?: unknown;
  readonly object_status?: unknown;
  readonly publisher_priority?: unknown;
  readonly payload_hex?: unknown;
  readonly objects?: readonly Fields[];
}

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly canonical?: false;
  readonly error?: "incomplete" | "invalid_value" | "unknown_message";
  readonly decoded?: Fields;
}

const text = new TextDecoder();

function load(codec: MoqtCodec): readonly Vector[] {
  const name = codec.version.replace("moqt-", "draft");
  const file = readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), "utf8");
  return (JSON.parse(file) as { vectors: readonly Vector[] }).vectors;
}

const OF_REQUEST_STREAMS = ["subscribe-namespace", "namespace", "namespace-done"];

function kindOf({ name }: Vector): "varint" | "subgroup" | "fetch" | "datagram" | "message" {
  const [file] = name.split(":");
  if (file === "varint" || file === "subgroup" || file === "datagram") return file;
  return file === "fetch-header" ? "fetch" : "message";
}

/** Every message of these bytes, and whether they end between two. */
function decodeMessages(codec: MoqtCodec, vector: Vector, pieces: readonly Uint8Array[]) {
  const [file = ""] = vector.name.split(":");
  const onRequest = codec.capabilities.namespaceStreams && OF_REQUEST_STREAMS.includes(file);
  const decoder = onRequest
    ? codec.controlDecoder("request")
    : codec.shared!.decoder(file === "server-setup" ? "server" : "client");
  const messages: (SharedMessage | ControlMessage)[] = [];
  for (const piece of pieces) {
    decoder.push(piece);
    for (let next = decoder.next(); next; next = decoder.next()) messages.push(next);
  }
  return { messages, idle: decoder.idle, onRequest };
}

function encode(
  codec: MoqtCodec,
  message: SharedMessage | ControlMessage,
  vector: Vector,
  onRequest: boolean,
) {
  if (onRequest) return codec.encodeMessage(message as ControlMessage);
  const said =
    message.type === "answer" ? { ...message, to: message.to ?? ("request-update" as const) } : message;
  return codec.shared!.encode(
    said as SharedMessage,
    vector.name.startsWith("server-setup") ? "server" : "client",
  );
}

type Told =
  | { readonly header: SubgroupHeader }
  | { readonly id: VarInt }
  | { readonly object: MoqObject }
  | { readonly gap: FetchGap };

function decodeStream(codec: MoqtCodec, pieces: readonly Uint8Array[]): Told[] {
  const told: Told[] = [];
  const sink: DataStreamSink = {
    subgroup: (header) => told.push({ header }),
    fetch: (id) => told.push({ id }),
    accept: () => true,
    object: (object) => told.push({ object }),
    gap: (gap) => told.push({ gap }),
  };
  const decoder = codec.dataStreamDecoder(sink, 1 << 20);
  for (const piece of pieces) decoder.push(piece);
  decoder.finish();
  return told;
}

function encodeStream(codec: MoqtCodec, told: readonly Told[]): string {
  let header: SubgroupHeader | undefined;
  let previous: MoqObject | FetchGap | undefined;
  return told
    .map((item) => {
      if ("header" in item) {
        header = item.header;
        return hexOf(codec.encodeSubgroupHeader(header));
      }
      if ("id" in item) return hexOf(codec.encodeFetchHeader(item.id));
      if ("gap" in item) {
        previous = item.gap;
        return hexOf(codec.encodeFetchGap(item.gap));
      }
      const fields = header
        ? codec.encodeSubgroupObject(item.object, header, previous?.object)
        : codec.encodeFetchObject(item.object, previous);
      previous = item.object;
      return hexOf(fields) + hexOf(item.object.payload);
    })
    .join("");
}

function number(value: unknown): VarInt {
  return canonical(BigInt(String(value)));
}

/** What the vector says of an object, as far as it says it. */
function expectObject(object: MoqObject, wanted: Fields): void {
  expect(object.object).toBe(number(wanted.object_id ?? 0));
  if (wanted.group_id !== undefined) expect(object.group).toBe(number(wanted.group_id));
  if (wanted.publisher_priority !== undefined)
    expect(object.priority).toBe(Number(wanted.publisher_priority));
  expect(hexOf(object.payload)).toBe(wanted.payload_hex ?? "");
}

/** The fields that all vectors of messages name alike. */
function expectMessage(message: SharedMessage | ControlMessage, wanted: Fields): void {
  const inner =
    message.type === "answer" || message.type === "done" || message.type === "update"
      ? message.message
      : message;
  const all = { ...inner, ...message } as {
    readonly requestId?: VarInt;
    readonly trackAlias?: VarInt;
    readonly limit?: VarInt;
    readonly newSessionUri?: string;
    readonly reason?: string;
    readonly streamCount?: VarInt;
    readonly track?: FullTrackName;
    readonly namespace?: Namespace;
  };
  const track: Partial<FullTrackName> = all.track ?? (all.namespace ? { namespace: all.namespace } : {});
  const seen: { readonly [K in keyof Fields]: unknown } = {
    request_id: message.type === "update" ? message.message.requestId : all.requestId,
    track_alias: inner.type === "request-ok" ? undefined : all.trackAlias,
    max_request_id: all.limit,
    new_session_uri: all.newSessionUri,
    reason_phrase: all.reason,
    stream_count: all.streamCount,
    track_name: track.name && text.decode(track.name),
    track_namespace: track.namespace?.map((field) => text.decode(field)),
  };
  for (const [field, value] of Object.entries(seen) as [keyof Fields, unknown][]) {
    if (value === undefined || wanted[field] === undefined || message.type === "setup") continue;
    const expected = wanted[field];
    expect({ [field]: value }).toEqual({
      [field]: typeof value === "number" || typeof value === "bigint" ? number(expected) : expected,
    });
  }
}

describe.each([draft14, draft15, draft16])("$version", (codec) => {
  const vectors = load(codec);

  for (const vector of vectors) {
    const bytes = bytesOf(vector.hex);
    const kind = kindOf(vector);

    if (vector.error) {
      it(`finds the fault of ${vector.name}`, () => {
        if (kind === "varint") {
          expect(tryQuicVarint(cursorOver(bytes, ""))).toBe(INCOMPLETE);
          return;
        }
        const decode = () => {
          if (kind === "datagram") return void codec.decodeDatagram(bytes);
          if (kind !== "message") return void decodeStream(codec, [bytes]);
          if (!decodeMessages(codec, vector, [bytes]).idle)
            throw new CountersignError("stream-truncated", "");
        };
        expect(decode).toThrow(CountersignError);
      });
      continue;
    }

    const wanted = vector.decoded!;
    it(`reads ${vector.name}`, () => {
      if (kind === "varint") {
        expect(tryQuicVarint(cursorOver(bytes, ""))).toBe(number(wanted.value));
      } else if (kind === "datagram") {
        const datagram = codec.decodeDatagram(bytes);
        if (datagram.type === "object") {
          expect(datagram.trackAlias).toBe(number(wanted.track_alias));
          expectObject(datagram.object, wanted);
        } else expect(wanted.object_status).toBe("1");
      } else if (kind === "message") {
        for (const pieces of [[bytes], cut(bytes, [1])]) {
          const { messages, idle } = decodeMessages(codec, vector, pieces);
          expect([messages.length, idle]).toEqual([1, true]);
          expectMessage(messages[0]!, wanted);
        }
      } else {
        const told = decodeStream(codec, [bytes]);
        expect(decodeStream(codec, cut(bytes, [1]))).toEqual(told);
        const items = told.slice(1);
        const objects = wanted.objects ?? [];
        expect(items).toHaveLength(objects.length);
        for (const [at, item] of items.entries()) {
          if ("object" in item) expectObject(item.object, objects[at]!);
          else if ("gap" in item) {
            expect(item.gap).toMatchObject({
              group: number(objects[at]!.group_id),
              object: number(objects[at]!.object_id),
            });
          }
        }
      }
    });

    if (vector.canonical === false) continue;
    it(`writes ${vector.name}`, () => {
      if (kind === "varint") {
        const writer = newWriter();
        writeQuicVarint(writer, number(wanted.value));
        expect(hexOf(finish(writer))).toBe(vector.hex);
      } else if (kind === "datagram") {
        const datagram = codec.decodeDatagram(bytes);
        if (datagram.type !== "object") return;
        const { trackAlias, object, endOfGroup } = datagram;
        expect(hexOf(codec.encodeDatagram(trackAlias, object, endOfGroup))).toBe(vector.hex);
      } else if (kind === "message") {
        const { messages, onRequest } = decodeMessages(codec, vector, [bytes]);
        expect(hexOf(encode(codec, messages[0]!, vector, onRequest))).toBe(vector.hex);
      } else {
        expect(encodeStream(codec, decodeStream(codec, [bytes]))).toBe(vector.hex);
      }
    });
  }
});
