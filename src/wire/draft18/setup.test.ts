import { describe, expect, it } from "vitest";
import { utf8Encode } from "../../utf8.ts";
import { bytesOf, decodeMessage, errorOf, frame, verdictOf } from "./fixtures.ts";
import { draft18 } from "./index.ts";

function setup(options: string): Uint8Array {
  return frame("af00", options);
}

function text(value: string): string {
  const bytes = utf8Encode(value);
  return [bytes.length, ...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("SETUP (§10.3)", () => {
  it("§10.3: keeps unknown options, repeated ones too, and goes on", () => {
    expect(decodeMessage(setup("06 01 00 02 7f 01 aa"), "control")).toEqual({
      type: "setup",
      unknown: [
        { type: 6, value: 1 },
        { type: 6, value: 2 },
        { type: 0x85, value: bytesOf("aa") },
      ],
    });
  });

  it.each(["809d", "811c", "ff3fffffffffffffde"])("§14: takes the greased option 0x%s", (type) => {
    // Even types carry an integer, odd ones bytes; 00 is both, zero and none.
    expect(decodeMessage(setup(`${type} 00`), "control")).toMatchObject({ type: "setup", unknown: [{}] });
  });

  it.each(["04 01 00 01", "07 00 00 00", "01 012f 00 012f", "05 0161 00 0161"])(
    "§10.3: refuses the known option that comes twice in [%s]",
    (options) => {
      expect(verdictOf(() => decodeMessage(setup(options), "control"))).toBe("0x3 §10.3");
    },
  );

  it("§10.3.1.4: takes several tokens", () => {
    expect(decodeMessage(setup("03 03 03 00 41 00 03 03 00 42"), "control")).toMatchObject({
      authorizationTokens: [{ value: utf8Encode("A") }, { value: utf8Encode("B") }],
    });
  });

  it("§1.4.3: closes with KEY_VALUE_FORMATTING_ERROR when an option is cut short or a token cannot be decoded", () => {
    expect(verdictOf(() => decodeMessage(setup("07 02 61"), "control"))).toBe("0x6 §1.4.3");
    expect(verdictOf(() => decodeMessage(setup("04"), "control"))).toBe("0x6 §1.4.3");
    expect(verdictOf(() => decodeMessage(setup("03 01 07"), "control"))).toBe("0x6 §10.2.2");
  });

  it.each(["/", "", "/a/b", "/a%20b", "/a?x=1&y=/z?", "/~-._!$&'()*+,;=:@", "?only=query"])(
    "§10.3.1.2: takes the path %s",
    (path) => {
      expect(decodeMessage(setup(`01 ${text(path)}`), "control")).toMatchObject({ path });
    },
  );

  it.each(["a", "/a b", "/%2", "/#f", "/é", "/a?#", "//\u0000"])(
    "§10.3.1.2: closes with MALFORMED_PATH on %s",
    (path) => {
      expect(verdictOf(() => decodeMessage(setup(`01 ${text(path)}`), "control"))).toBe("0x9 §10.3.1.2");
    },
  );

  it("§10.3.1.2: closes with MALFORMED_PATH on bytes that are not text", () => {
    expect(verdictOf(() => decodeMessage(setup("01 02 2fff"), "control"))).toBe("0x9 §10.3.1.2");
  });

  it.each(["example.com", "example.com:443", "user@host:1", "[::1]:4443", "a%20b", ""])(
    "§10.3.1.1: takes the authority %s",
    (authority) => {
      expect(decodeMessage(setup(`05 ${text(authority)}`), "control")).toMatchObject({ authority });
    },
  );

  it.each(["a/b", "a:b", "[::1", "a b", "a@b@c", "é", "a%2"])(
    "§10.3.1.1: closes with MALFORMED_AUTHORITY on %s",
    (authority) => {
      expect(verdictOf(() => decodeMessage(setup(`05 ${text(authority)}`), "control"))).toBe(
        "0x1a §10.3.1.1",
      );
    },
  );

  it("§10.3.1: a server does not send AUTHORITY or PATH", () => {
    expect(errorOf(() => draft18.encodeSetup({ type: "setup", path: "/" }, "server")).code).toBe(
      "invalid-options",
    );
    expect(errorOf(() => draft18.encodeSetup({ type: "setup", authority: "a" }, "server")).code).toBe(
      "invalid-options",
    );
    expect(
      decodeMessage(draft18.encodeSetup({ type: "setup", path: "/" }, "client"), "control"),
    ).toMatchObject({ path: "/" });
  });

  it("does not send a known option among the unknown ones", () => {
    const unknown = [{ type: 4, value: 1 }];
    expect(errorOf(() => draft18.encodeMessage({ type: "setup", unknown })).code).toBe("invalid-options");
  });
});
