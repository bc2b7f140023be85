import { describe, expect, it } from "vitest";
import type { MoqObject } from "../objects.ts";
import { bytesOf, errorOf, verdictOf } from "./fixtures.ts";
import { draft18 } from "./index.ts";

function refused(hex: string): string {
  return verdictOf(() => draft18.decodeDatagram(bytesOf(hex)));
}

describe("datagrams (§11.3)", () => {
  it("§11.3.1: takes the 24 valid types and refuses all others below 256", () => {
    const valid: number[] = [];
    for (let type = 0; type < 256; type++) {
      const first = type < 0x80 ? [type] : [0x80, type];
      // Enough fields for any type; the rest is payload, or, with a status, too much.
      const properties = (type & 1) === 1 ? [2, 0x38, 1] : [];
      const status = (type & 0x20) === 0x20 ? [0] : [0x41];
      const id = (type & 4) === 4 ? [] : [9];
      const priority = (type & 8) === 8 ? [] : [7];
      const bytes = new Uint8Array([...first, 1, 2, ...id, ...priority, ...properties, ...status]);
      try {
        draft18.decodeDatagram(bytes);
        valid.push(type);
      } catch (error) {
        expect(error).toMatchObject({ protocolCode: 3, section: "draft-ietf-moq-transport-18 §11.3.1" });
      }
    }
    const expected = [0x20, 0x21, 0x24, 0x25, 0x28, 0x29, 0x2c, 0x2d];
    expect(valid).toEqual([...Array.from({ length: 16 }, (_, type) => type), ...expected]);
  });

  it("§11.3: refuses types of many bytes", () => {
    for (const type of ["f0132b3e28", "ffffffffffffffffff", "ff0000000100000000"]) {
      expect(refused(`${type} 01 02 03 04`)).toBe("0x3 §11.3.1");
    }
  });

  it("§11.3.1: refuses the PROPERTIES bit with no properties", () => {
    expect(refused("0d 01 02 00 41")).toBe("0x3 §11.3.1");
  });

  it("§11.3.1: refuses properties with a status that is not Normal", () => {
    expect(draft18.decodeDatagram(bytesOf("2d 01 02 02 3801 00"))).toMatchObject({
      object: { status: "normal" },
    });
    expect(refused("2d 01 02 02 3801 03")).toBe("0x3 §11.3.1");
  });

  it("§11.3.1: refuses a payload behind a status", () => {
    expect(refused("200100058003deadbeef")).toBe("0x3 §11.3.1");
  });

  it("§11.2.1.1: refuses an unknown status", () => {
    expect(refused("2c 01 02 01")).toBe("0x3 §11.2.1.1");
  });

  it("refuses a datagram that ends within its header", () => {
    for (const hex of ["", "00", "0001", "000102", "00010203", "0d010205", "2c0102"]) {
      expect(refused(hex)).toBe("0x3 §11.3.1");
    }
  });

  it("§12.7: condemns only the track for malformed properties", () => {
    expect(refused("0d 01 02 01 02 41")).toBe("malformed-track §12.7");
  });

  it("§11.5.2: discards padding, whatever it holds", () => {
    expect(draft18.decodeDatagram(bytesOf("f0132b3e29"))).toEqual({ type: "padding" });
    expect(draft18.decodeDatagram(bytesOf("f0132b3e29 00 ff"))).toEqual({ type: "padding" });
  });

  it("hands out views of the datagram", () => {
    const bytes = bytesOf("0c 01 02 41");
    const datagram = draft18.decodeDatagram(bytes);
    expect(datagram.type === "object" && datagram.object.payload.buffer).toBe(bytes.buffer);
  });
});

describe("sending datagrams", () => {
  const ended: MoqObject = {
    group: 0,
    object: 0,
    subgroup: undefined,
    priority: undefined,
    status: "end-of-group",
    properties: new Uint8Array(0),
    payload: new Uint8Array(0),
  };

  it("§11.3.1: refuses a status with properties, with a payload, or with the end-of-group bit", () => {
    expect(
      errorOf(() => draft18.encodeDatagram(1, { ...ended, properties: bytesOf("3801") }, false)).code,
    ).toBe("invalid-options");
    expect(errorOf(() => draft18.encodeDatagram(1, { ...ended, payload: bytesOf("41") }, false)).code).toBe(
      "invalid-options",
    );
    expect(errorOf(() => draft18.encodeDatagram(1, ended, true)).code).toBe("invalid-options");
  });
});
