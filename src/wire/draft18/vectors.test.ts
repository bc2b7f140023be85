import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { utf8Encode } from "../../utf8.ts";
import type { ControlMessage } from "../messages.ts";
import type { FetchGap, MoqObject, SubgroupHeader } from "../objects.ts";
import { bytesOf, concat, cut, decodeMessage, decodeStream, hexOf } from "./fixtures.ts";
import { draft18 } from "./index.ts";

interface Vector {
  readonly name: string;
  readonly source: string;
  readonly hex: string;
  readonly canonical?: false;
}

interface MessageVector extends Vector {
  readonly stream: "control" | "request";
  readonly message: ControlMessage;
}

type Told = { subgroup: SubgroupHeader } | { fetch: number } | { object: MoqObject } | { gap: FetchGap };

interface StreamVector extends Vector {
  readonly order: "ascending" | "descending";
  readonly events: readonly Told[];
}

interface DatagramVector extends Vector {
  readonly trackAlias: number;
  readonly endOfGroup: boolean;
  readonly object: MoqObject;
}

function load<T extends Vector>(file: string): readonly T[] {
  const text = readFileSync(new URL(`./vectors/${file}`, import.meta.url), "utf8");
  const parsed = JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    if ("$text" in value) return Uint8Array.from(utf8Encode(String(value.$text)));
    if ("$hex" in value) return bytesOf(String(value.$hex));
    return value;
  }) as { vectors: readonly T[] };
  return parsed.vectors;
}

describe("control messages of known bytes", () => {
  for (const { name, source, stream, hex, message, canonical } of load<MessageVector>("messages.json")) {
    it(`decodes ${name} (${source})`, () => {
      expect(decodeMessage(bytesOf(hex), stream)).toEqual(message);
    });
    if (canonical === false) continue;
    it(`encodes ${name} (${source})`, () => {
      expect(hexOf(draft18.encodeMessage(message))).toBe(hex);
    });
  }
});

function encodeStream(events: readonly Told[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let header: SubgroupHeader | undefined;
  let previous: MoqObject | FetchGap | undefined;
  for (const event of events) {
    if ("subgroup" in event) {
      header = event.subgroup;
      parts.push(draft18.encodeSubgroupHeader(header));
    } else if ("fetch" in event) {
      parts.push(draft18.encodeFetchHeader(event.fetch));
    } else if ("gap" in event) {
      parts.push(draft18.encodeFetchGap(event.gap));
      previous = event.gap;
    } else {
      parts.push(
        header === undefined
          ? draft18.encodeFetchObject(event.object, previous)
          : draft18.encodeSubgroupObject(event.object, header, previous?.object),
        event.object.payload,
      );
      previous = event.object;
    }
  }
  return concat(parts);
}

describe("data streams of known bytes", () => {
  for (const { name, source, hex, order, events, canonical } of load<StreamVector>("streams.json")) {
    for (const size of [1, 3, 1000]) {
      it(`decodes ${name} in chunks of ${size} (${source})`, () => {
        const told = decodeStream(cut(bytesOf(hex), [size]), { order }).flatMap((event): Told[] => {
          if (event.kind === "subgroup") return [{ subgroup: event.header }];
          if (event.kind === "fetch") return [{ fetch: Number(event.requestId) }];
          if (event.kind === "gap") return [{ gap: event.gap }];
          return event.kind === "object" ? [{ object: event.object }] : [];
        });
        expect(told).toEqual(events);
      });
    }
    if (canonical === false) continue;
    it(`encodes ${name} (${source})`, () => {
      expect(hexOf(encodeStream(events))).toBe(hex);
    });
  }
});

describe("datagrams of known bytes", () => {
  for (const { name, source, hex, trackAlias, endOfGroup, object, canonical } of load<DatagramVector>(
    "datagrams.json",
  )) {
    it(`decodes ${name} (${source})`, () => {
      expect(draft18.decodeDatagram(bytesOf(hex))).toEqual({
        type: "object",
        trackAlias,
        endOfGroup,
        object,
      });
    });
    if (canonical === false) continue;
    it(`encodes ${name} (${source})`, () => {
      expect(hexOf(draft18.encodeDatagram(trackAlias, object, endOfGroup))).toBe(hex);
    });
  }
});
