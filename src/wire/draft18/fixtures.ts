/** What the tests of this folder share: bytes as hex, a sink that remembers, streams cut to pieces, errors as values. */
import { CountersignError } from "../../errors.ts";
import type { MoqtCodec } from "../codec.ts";
import type { ControlMessage } from "../messages.ts";
import type { DataStreamSink, FetchGap, MoqObject, ObjectStart, SubgroupHeader } from "../objects.ts";
import type { VarInt } from "../varint.ts";
import { draft18 } from "./index.ts";

/** Hex, with any spaces, to bytes. */
export function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  const digits = hex.replaceAll(/\s/g, "");
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}

export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The bytes in chunks of the given sizes, over and over; each chunk a buffer of its own. */
export function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? bytes.length);
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

/** What a stream decoder told, in order. */
export type StreamEvent =
  | { readonly kind: "subgroup"; readonly header: SubgroupHeader }
  | { readonly kind: "fetch"; readonly requestId: VarInt }
  | { readonly kind: "start"; readonly start: ObjectStart }
  | { readonly kind: "object"; readonly object: MoqObject }
  | { readonly kind: "gap"; readonly gap: FetchGap };

export interface StreamOptions {
  readonly order?: "ascending" | "descending";
  readonly accept?: (start: ObjectStart) => boolean;
  readonly maxObjectBytes?: number;
}

export function collector(options: StreamOptions = {}): { sink: DataStreamSink; events: StreamEvent[] } {
  const events: StreamEvent[] = [];
  const sink: DataStreamSink = {
    subgroup: (header) => events.push({ kind: "subgroup", header }),
    fetch: (requestId) => events.push({ kind: "fetch", requestId }),
    fetchOrder: () => options.order ?? "ascending",
    accept: (start) => {
      events.push({ kind: "start", start });
      return options.accept?.(start) ?? true;
    },
    object: (object) => events.push({ kind: "object", object }),
    gap: (gap) => events.push({ kind: "gap", gap }),
  };
  return { sink, events };
}

/** Everything that a whole stream, ended by FIN, tells. */
export function decodeStream(chunks: readonly Uint8Array[], options: StreamOptions = {}): StreamEvent[] {
  const { sink, events } = collector(options);
  const decoder = draft18.dataStreamDecoder(sink, options.maxObjectBytes ?? 1 << 20);
  for (const chunk of chunks) decoder.push(chunk);
  decoder.finish();
  return events;
}

export function objectsOf(events: readonly StreamEvent[]): MoqObject[] {
  return events.flatMap((event) => (event.kind === "object" ? [event.object] : []));
}

/**
 * The message that these bytes are. On a control stream other messages than SETUP are read behind one.
 */
export function decodeMessage(
  bytes: Uint8Array,
  stream: "control" | "request" = "request",
  codec: MoqtCodec = draft18,
): ControlMessage {
  const decoder = codec.controlDecoder(stream);
  const isSetup = bytes[0] === 0xaf && bytes[1] === 0x00;
  if (stream === "control" && !isSetup) {
    decoder.push(codec.encodeMessage({ type: "setup" }));
    decoder.next();
  }
  decoder.push(bytes);
  const message = decoder.next();
  if (message === undefined) throw new Error("The bytes are no whole message.");
  if (!decoder.idle) throw new Error("The bytes are more than a message.");
  return message;
}

/** A message of a type and these payload bytes. */
export function frame(type: string, payload: string): Uint8Array {
  const body = bytesOf(payload);
  return concat([bytesOf(type), new Uint8Array([body.length >> 8, body.length & 0xff]), body]);
}

/** The CountersignError that `run` throws; anything else fails. */
export function errorOf(run: () => unknown): CountersignError {
  try {
    run();
  } catch (error) {
    if (error instanceof CountersignError) return error;
    throw error;
  }
  throw new Error("Nothing was thrown.");
}

/** The session error code and clause of what `run` throws, as one string: `0x3 §10.7`. */
export function verdictOf(run: () => unknown): string {
  const error = errorOf(run);
  const code = error.protocolCode === undefined ? error.code : `0x${error.protocolCode.toString(16)}`;
  return `${code} ${error.section?.split(" ")[1] ?? "-"}`;
}
