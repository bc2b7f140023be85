import { describe, expect, it } from "vitest";
import type { MoqObject, SubgroupHeader } from "../objects.ts";
import { MAX_PROPERTIES_BYTES } from "./data-streams.ts";
import { bytesOf, collector, concat, cut, decodeStream, errorOf, objectsOf, verdictOf } from "./fixtures.ts";
import { draft18 } from "./index.ts";

const MAX = "ff ffffffffffffffff";

function told(hex: string, options = {}) {
  return decodeStream([bytesOf(hex)], options);
}

function objects(hex: string, options = {}): MoqObject[] {
  return objectsOf(told(hex, options));
}

function refused(hex: string, options = {}): string {
  return verdictOf(() => told(hex, options));
}

describe("kinds of unidirectional streams (§3.4)", () => {
  it("§3.4: refuses an unknown stream type", () => {
    for (const type of ["00", "04", "06", "0f", "20", "4f", "8080", "af01", MAX]) {
      expect(verdictOf(() => draft18.peekUniStream(bytesOf(type)))).toBe("0x3 §3.4");
      expect(refused(type)).toBe("0x3 §3.4");
    }
  });

  it("tells each kind, in any length of encoding, and waits for the first integer", () => {
    expect(draft18.peekUniStream(bytesOf("05"))).toBe("fetch");
    expect(draft18.peekUniStream(bytesOf("8005"))).toBe("fetch");
    expect(draft18.peekUniStream(bytesOf("af00"))).toBe("control");
    expect(draft18.peekUniStream(bytesOf("f0132b3e28"))).toBe("padding");
    expect(draft18.peekUniStream(bytesOf("10"))).toBe("subgroup");
    expect(draft18.peekUniStream(bytesOf("7d"))).toBe("subgroup");
    expect(draft18.peekUniStream(bytesOf(""))).toBeUndefined();
    expect(draft18.peekUniStream(bytesOf("af"))).toBeUndefined();
  });

  it("§11.4.2: takes every valid subgroup type and refuses the 16 reserved ones", () => {
    const valid: number[] = [];
    const reserved: number[] = [];
    for (let type = 0x10; type <= 0x7f; type++) {
      if ((type & 0x10) === 0) continue;
      try {
        draft18.peekUniStream(new Uint8Array([type]));
        valid.push(type);
      } catch (error) {
        expect(error).toMatchObject({ protocolCode: 3, section: "draft-ietf-moq-transport-18 §11.4.2" });
        reserved.push(type);
      }
    }
    expect(reserved).toEqual([
      0x16, 0x17, 0x1e, 0x1f, 0x36, 0x37, 0x3e, 0x3f, 0x56, 0x57, 0x5e, 0x5f, 0x76, 0x77, 0x7e, 0x7f,
    ]);
    expect(valid).toHaveLength(48);
    expect(refused("16 00 00")).toBe("0x3 §11.4.2");
  });

  it("§11.5.1: discards padding, whatever it holds, and its end", () => {
    expect(told("f0132b3e28 0000 ff 05 14")).toEqual([]);
  });

  it("refuses a control stream in place of data", () => {
    expect(refused("af00 0000")).toBe("0x3 §3.4");
  });
});

describe("subgroup streams (§11.4.2)", () => {
  it("reads the header of all 48 types and writes it again", () => {
    for (let type = 0x10; type <= 0x7f; type++) {
      if ((type & 0x10) === 0 || (type & 0x06) === 0x06) continue;
      const fields = `${(type & 0x06) === 0x04 ? "05" : ""}${(type & 0x20) === 0 ? "07" : ""}`;
      const hex = `${type.toString(16)}0304${fields}`;
      const [event] = told(hex);
      if (event?.kind !== "subgroup") throw new Error("no header");
      expect(event.header).toEqual({
        trackAlias: 3,
        group: 4,
        subgroup: (type & 0x06) === 0 ? 0 : (type & 0x06) === 4 ? 5 : undefined,
        priority: (type & 0x20) === 0 ? 7 : undefined,
        hasProperties: (type & 1) === 1,
        endOfGroup: (type & 8) === 8,
        firstObject: (type & 0x40) === 0x40,
      } satisfies SubgroupHeader);
      expect(draft18.encodeSubgroupHeader(event.header)).toEqual(bytesOf(hex));
    }
  });

  it("takes the first object's id for the subgroup's, also when that object is skipped", () => {
    const hex = "32 01 02  07 01 41  00 01 42";
    expect(objects(hex).map((object) => object.subgroup)).toEqual([7, 7]);
    expect(objects(hex, { accept: (start: { object: number }) => start.object !== 7 })).toMatchObject([
      { object: 8, subgroup: 7 },
    ]);
  });

  it("§11.4.2: refuses an object id above 2^64 - 1", () => {
    expect(objects(`30 00 00 ${MAX} 01 41`)).toMatchObject([{ object: 0xffff_ffff_ffff_ffffn }]);
    expect(refused(`30 00 00 ${MAX} 01 41 00 01 42`)).toBe("0x3 §11.4.2");
    expect(refused(`30 00 00 01 01 41 ${MAX} 01 42`)).toBe("0x3 §11.4.2");
  });

  it("keeps ids of all 64 bits exact", () => {
    const hex = `30 ${MAX} fffffffffffffffffe  fe1fffffffffffff 01 41  00 01 42  00 01 43`;
    const events = told(hex);
    expect(events[0]).toMatchObject({ header: { trackAlias: 2n ** 64n - 1n, group: 2n ** 64n - 2n } });
    expect(objectsOf(events).map((object) => object.object)).toEqual([
      2 ** 53 - 1,
      2n ** 53n,
      2n ** 53n + 1n,
    ]);
  });

  it("§11.2.1.1: refuses an unknown status", () => {
    for (const status of ["01", "02", "05", MAX])
      expect(refused(`30 00 00 00 00 ${status}`)).toBe("0x3 §11.2.1.1");
  });

  it("§11.2.1.1: an empty object says its status", () => {
    expect(objects("30 00 00 00 00 00")).toMatchObject([{ status: "normal", payload: new Uint8Array(0) }]);
    expect(objects("30 00 00 00 00 03")).toMatchObject([{ status: "end-of-group" }]);
    expect(objects("30 00 00 00 00 04")).toMatchObject([{ status: "end-of-track" }]);
  });

  it("§11.2.1.2: refuses properties on an object that is not Normal", () => {
    expect(objects("31 00 00 00 02 0201 00 00")).toMatchObject([
      { status: "normal", properties: bytesOf("0201") },
    ]);
    expect(refused("31 00 00 00 02 0201 00 03")).toBe("0x3 §11.2.1.2");
    expect(objects("31 00 00 00 00 00 03")).toMatchObject([{ status: "end-of-group" }]);
  });

  it("§11.4.3: refuses an object behind the end of the group or track", () => {
    for (const status of ["03", "04"])
      expect(refused(`30 00 00 00 00 ${status} 00 01 41`)).toBe("0x3 §11.4.3");
  });

  it("tells end marks even to a sink that accepts nothing", () => {
    const events = told("30 00 00 00 01 41 00 00 00 00 00 03", { accept: () => false });
    expect(objectsOf(events)).toMatchObject([{ object: 2, status: "end-of-group" }]);
  });
});

describe("a stream's end (§11.4)", () => {
  const hex = "35 02 00 09  00 02 0201 04 61626364  00 00 00 03";

  it("§11.4: is clean behind the header and behind each object, and nowhere else", () => {
    const bytes = bytesOf(hex);
    const clean: number[] = [];
    for (let end = 0; end <= bytes.length; end++) {
      try {
        decodeStream([bytes.subarray(0, end)]);
        clean.push(end);
      } catch (error) {
        expect(error).toMatchObject({ code: "protocol-violation", protocolCode: 3 });
      }
    }
    expect(clean).toEqual([4, 13, 17]);
  });

  it("§11.4: is not clean within an object that is being skipped", () => {
    expect(refused("30 00 00 00 04 6162", { accept: () => false })).toBe("0x3 §11.4");
  });
});

describe("fetch streams (§11.4.4)", () => {
  it("§11.4.4: refuses serialization flags that are neither flags nor an end of range", () => {
    for (const flags of ["8080", "808b", "808d", "80ff", "810b", "810d", MAX]) {
      expect(refused(`05 00 ${flags} 00 00 00 00 00`)).toBe("0x3 §11.4.4");
    }
  });

  it("§11.4.4.1: refuses a first object that refers to a prior one", () => {
    const complete = "1c 00 00 00 00";
    expect(objects(`05 00 ${complete}`)).toHaveLength(1);
    for (const object of [
      "18 00 00 00",
      "14 00 00 00",
      "0c 00 00 00",
      "1d 00 00 00 00",
      "1e 00 00 00 00",
      "00 00",
    ]) {
      expect(refused(`05 00 ${object}`)).toBe("0x3 §11.4.4.1");
    }
  });

  it("§11.4.4.1: ignores the subgroup bits of a datagram object", () => {
    for (const flags of ["5c", "5d", "5e", "5f"]) {
      expect(objects(`05 00 ${flags} 01 02 80 01 41`)).toMatchObject([
        { group: 1, object: 2, subgroup: undefined },
      ]);
    }
  });

  it("§11.4.4.1: refuses group ids below 0 and above 2^64 - 1", () => {
    expect(refused(`05 00 1c ${MAX} 00 00 00  08 00 00`)).toBe("0x3 §11.4.4.1");
    expect(refused("05 00 1c 02 00 00 00  08 02 00", { order: "descending" })).toBe("0x3 §11.4.4.1");
    expect(objects("05 00 1c 02 00 00 00  08 01 00", { order: "descending" })).toMatchObject([
      { group: 2 },
      { group: 0 },
    ]);
  });

  it("§11.4.4.1: refuses object and subgroup ids above 2^64 - 1", () => {
    expect(refused(`05 00 1c 00 ${MAX} 00 00  00 00`)).toBe("0x3 §11.4.4.1");
    expect(refused(`05 00 1c 00 01 00 00  04 ${MAX} 00`)).toBe("0x3 §11.4.4.1");
    expect(refused(`05 00 1f 00 ${MAX} 00 00 00  02 00`)).toBe("0x3 §11.4.4.1");
  });

  it("§11.4.4.1: an object id is absolute with a group id, a distance without", () => {
    const [, second, third] = objects("05 00 1c 00 05 00 00  0c 00 05 00  04 05 00");
    expect(second).toMatchObject({ group: 1, object: 5 });
    expect(third).toMatchObject({ group: 1, object: 10 });
  });

  it("§11.4.4.1: without an object id it is the prior one plus one, in a new group too", () => {
    expect(objects("05 00 1c 00 05 00 00  08 00 00")).toMatchObject([{}, { group: 1, object: 6 }]);
  });

  it("§10.12.3: refuses the same object again", () => {
    expect(refused("05 00 1c 00 05 00 00  04 00 00")).toBe("0x3 §10.12.3");
  });

  it("§11.4.4.2: an object behind a gap continues from its location", () => {
    expect(objects("05 00 1f 01 04 02 09 00  810c 03 07  01 00")).toMatchObject([
      { group: 1, object: 2, subgroup: 4, priority: 9 },
      { group: 3, object: 8, subgroup: 4, priority: 9 },
    ]);
  });

  it("§11.4.4.2: refuses a prior subgroup or priority where only a gap came before", () => {
    expect(objects("05 00 808c 03 07  10 05 00")).toMatchObject([
      { group: 3, object: 8, subgroup: 0, priority: 5 },
    ]);
    expect(refused("05 00 808c 03 07  11 05 00")).toBe("0x3 §11.4.4.1");
    expect(refused("05 00 808c 03 07  12 05 00")).toBe("0x3 §11.4.4.1");
    expect(refused("05 00 808c 03 07  00 00")).toBe("0x3 §11.4.4.1");
  });

  it("refuses a gap that ends at or before what was told already", () => {
    const first = "05 00 1c 05 05 00 00";
    for (const end of ["05 05", "05 04", "04 09"])
      expect(refused(`${first} 808c ${end}`)).toBe("0x3 §11.4.4.2");
    expect(told(`${first} 808c 04 00`, { order: "descending" })).toHaveLength(4);
    expect(refused(`${first} 808c 06 00`, { order: "descending" })).toBe("0x3 §11.4.4.2");
  });

  it("takes a gap as the whole answer", () => {
    expect(told("05 2a 810c 03 07")).toEqual([
      { kind: "fetch", requestId: 42 },
      { kind: "gap", gap: { kind: "unknown", group: 3, object: 7 } },
    ]);
  });

  it("assumes ascending order of a sink that does not say", () => {
    const seen: MoqObject[] = [];
    const decoder = draft18.dataStreamDecoder(
      {
        subgroup: () => undefined,
        fetch: () => undefined,
        accept: () => true,
        object: (object) => seen.push(object),
        gap: () => undefined,
      },
      100,
    );
    decoder.push(bytesOf("05 00 1c 05 00 00 00  08 00 00"));
    expect(seen).toMatchObject([{ group: 5 }, { group: 6 }]);
  });
});

describe("object properties (§2.5, §12)", () => {
  function withProperties(properties: string, group = "07", id = "02"): string {
    const length = bytesOf(properties).length;
    return `31 00 ${group} ${id} ${length.toString(16).padStart(2, "0")} ${properties} 01 41`;
  }

  it("§2.5: hands on properties it does not know, byte for byte", () => {
    const properties = "38 8001  65 02 aabb";
    expect(objects(withProperties(properties))).toMatchObject([{ properties: bytesOf(properties) }]);
  });

  it("§1.4.3: ends the session on a type above 2^64 - 1 and on a value above 65,535 bytes", () => {
    expect(refused(withProperties(`${MAX} 00 01 00`))).toBe("0x3 §1.4.3");
    expect(refused(withProperties("01 c10000 00"))).toBe("0x3 §1.4.3");
  });

  it("§12.7: condemns the track, not the session, for pairs that cannot be parsed", () => {
    for (const properties of ["02", "80", "01 05 00", "0b 01 02"]) {
      expect(refused(withProperties(properties))).toBe("malformed-track §12.7");
    }
  });

  it("§12.7: condemns Immutable Properties that are nested or come twice", () => {
    expect(refused(withProperties("0b 02 0b00"))).toBe("malformed-track §12.7");
    expect(refused(withProperties("0b 00 00 00"))).toBe("malformed-track §12.7");
  });

  it("§12.8: condemns a Prior Group ID Gap that comes twice or is larger than the group id", () => {
    expect(objects(withProperties("3c 07"))).toHaveLength(1);
    expect(refused(withProperties("3c 08"))).toBe("malformed-track §12.8");
    expect(refused(withProperties("3c 01 00 01"))).toBe("malformed-track §12.8");
    expect(refused(withProperties("0b 02 3c01  31 01"))).toBe("malformed-track §12.8");
  });

  it("§12.9: condemns a Prior Object ID Gap that comes twice or is larger than the object id", () => {
    expect(objects(withProperties("3e 02"))).toHaveLength(1);
    expect(refused(withProperties("3e 03"))).toBe("malformed-track §12.9");
    expect(refused(withProperties("3e 01 00 01"))).toBe("malformed-track §12.9");
  });

  it("§2.5.1: condemns a Mandatory Track Property on an object, in Immutable Properties too", () => {
    expect(refused(withProperties("c04000 00"))).toBe("malformed-track §2.5.1");
    expect(refused(withProperties("c07fff 00"))).toBe("malformed-track §2.5.1");
    expect(refused(withProperties("0b 04 c04000 00"))).toBe("malformed-track §2.5.1");
    expect(objects(withProperties("bfff 00"))).toHaveLength(1);
    expect(objects(withProperties("c08000 00"))).toHaveLength(1);
  });
});

describe("memory (P7)", () => {
  it("hands out views of the chunk for an object that lies within it", () => {
    const chunk = bytesOf("31 00 00 00 02 3801 04 61626364");
    const [object] = objectsOf(decodeStream([chunk]));
    expect(object?.payload.buffer).toBe(chunk.buffer);
    expect(object?.properties.buffer).toBe(chunk.buffer);
  });

  it("gathers an object that spans chunks in one buffer of exactly its size", () => {
    for (const size of [1000, 200_000]) {
      const payload = new Uint8Array(size).map((_, index) => index * 7);
      const object: MoqObject = {
        group: 0,
        object: 0,
        subgroup: 0,
        priority: undefined,
        status: "normal",
        properties: new Uint8Array(0),
        payload,
      };
      const header = {
        trackAlias: 0,
        group: 0,
        subgroup: 0,
        priority: undefined,
        hasProperties: false,
        endOfGroup: false,
        firstObject: true,
      };
      const bytes = concat([
        draft18.encodeSubgroupHeader(header),
        draft18.encodeSubgroupObject(object, header, undefined),
        payload,
      ]);
      const [decoded] = objectsOf(decodeStream(cut(bytes, [333])));
      expect(decoded?.payload).toEqual(payload);
      expect(decoded?.payload.byteLength).toBe(decoded?.payload.buffer.byteLength);
    }
  });

  it("does not allocate what a peer only promised", () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 100 }, () => {
      const decoder = draft18.dataStreamDecoder(collector().sink, 2 ** 32);
      // 64 MiB are promised, a byte is sent.
      decoder.push(bytesOf("30 00 00 00 e4000000 41"));
      return decoder;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 128 * 1024);
    expect(verdictOf(() => decoders[0]?.finish())).toBe("0x3 §11.4");
  });

  it("refuses a payload above the limit before a byte of it, without blaming the session", () => {
    const { sink, events } = collector();
    const decoder = draft18.dataStreamDecoder(sink, 100);
    decoder.push(bytesOf("30 00 00 00 64"));
    const error = errorOf(() =>
      draft18.dataStreamDecoder(collector().sink, 99).push(bytesOf("30 00 00 00 64")),
    );
    expect(events.at(-1)).toMatchObject({ start: { payloadLength: 100 } });
    expect(error.code).toBe("limit-exceeded");
    expect(error.protocolCode).toBeUndefined();
  });

  it("refuses properties above the limit", () => {
    const hex = `31 00 00 00 c${(MAX_PROPERTIES_BYTES + 1).toString(16).padStart(5, "0")}`;
    expect(errorOf(() => collectorPush(hex)).code).toBe("limit-exceeded");
  });

  function collectorPush(hex: string): void {
    draft18.dataStreamDecoder(collector().sink, 1e9).push(bytesOf(hex));
  }

  it("passes over a skipped object's payload without telling it, and reads on", () => {
    const hex = `30 00 00 00 04 61626364 00 01 42`;
    for (const size of [1, 3, 100]) {
      const events = decodeStream(cut(bytesOf(hex), [size]), { accept: (start) => start.object !== 0 });
      expect(events.filter((event) => event.kind === "start")).toHaveLength(2);
      expect(objectsOf(events)).toMatchObject([{ object: 1 }]);
    }
  });

  it("stays broken after a violation", () => {
    const decoder = draft18.dataStreamDecoder(collector().sink, 100);
    const first = errorOf(() => decoder.push(bytesOf("30 00 00 00 00 07")));
    expect(errorOf(() => decoder.push(bytesOf("00 01 41")))).toBe(first);
    expect(errorOf(() => decoder.finish())).toBe(first);
  });
});

describe("sending objects", () => {
  const header: SubgroupHeader = {
    trackAlias: 0,
    group: 4,
    subgroup: 0,
    priority: undefined,
    hasProperties: false,
    endOfGroup: false,
    firstObject: true,
  };
  const object: MoqObject = {
    group: 4,
    object: 5,
    subgroup: 0,
    priority: undefined,
    status: "normal",
    properties: new Uint8Array(0),
    payload: bytesOf("41"),
  };

  it("§2.2: refuses an order that does not ascend and another group", () => {
    expect(errorOf(() => draft18.encodeSubgroupObject(object, header, 5)).code).toBe("invalid-options");
    expect(errorOf(() => draft18.encodeSubgroupObject(object, { ...header, group: 3 }, 4)).code).toBe(
      "invalid-options",
    );
    expect(errorOf(() => draft18.encodeFetchObject(object, object)).code).toBe("invalid-options");
  });

  it("§11.4.2: refuses properties that the header excludes", () => {
    const withProperties = { ...object, properties: bytesOf("3801") };
    expect(errorOf(() => draft18.encodeSubgroupObject(withProperties, header, 4)).code).toBe(
      "invalid-options",
    );
  });

  it("§11.2.1.1: refuses a payload or properties with a status, and any status in a fetch", () => {
    const ended = { ...object, status: "end-of-group" } as const;
    expect(errorOf(() => draft18.encodeSubgroupObject(ended, header, 4)).code).toBe("invalid-options");
    const empty = { ...ended, payload: new Uint8Array(0), properties: bytesOf("3801") };
    expect(
      errorOf(() => draft18.encodeSubgroupObject(empty, { ...header, hasProperties: true }, 4)).code,
    ).toBe("invalid-options");
    expect(
      errorOf(() => draft18.encodeFetchObject({ ...ended, payload: new Uint8Array(0) }, undefined)).code,
    ).toBe("invalid-options");
  });

  it("§12.4: gives a fetched object without priority the default, 128", () => {
    const bytes = concat([
      draft18.encodeFetchHeader(0),
      draft18.encodeFetchObject(object, undefined),
      object.payload,
    ]);
    expect(objectsOf(decodeStream([bytes]))).toMatchObject([{ priority: 128 }]);
  });
});
