import { describe, expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import {
  checkEnvironment,
  checkSignatureSupport,
  type PlayerEnvironment,
  type PlayerOptions,
  parseOptions,
} from "./player-options.ts";

const KEY_HEX = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const KEY = Uint8Array.from(KEY_HEX.match(/../g)!, (hex) => Number.parseInt(hex, 16));
const GOOD: PlayerOptions = {
  broadcast: "example.com/live",
  objects: ["https://a.example/moq", "https://b.example:4443/moq"],
  manifests: ["https://m.example/moq"],
  trust: { roots: [KEY_HEX] },
};

function refusal(over: Record<string, unknown>): CountersignError {
  try {
    parseOptions({ ...GOOD, ...over } as PlayerOptions);
  } catch (thrown) {
    if (thrown instanceof CountersignError) return thrown;
    throw thrown;
  }
  throw new Error("the options were accepted");
}

describe("options", () => {
  test("become what the worker wants, with the defaults filled in", () => {
    expect(parseOptions(GOOD)).toEqual({
      broadcast: ["example.com", "live"],
      objects: [{ url: "https://a.example/moq" }, { url: "https://b.example:4443/moq" }],
      manifests: [{ url: "https://m.example/moq" }],
      roots: [KEY],
      targetLatencyMs: 400,
      resume: "live",
      replay: { enabled: true, maxAgeMs: 72 * 3600 * 1000, maxBytes: undefined },
      redirects: { origins: [] },
    });
  });

  test("leave the choice of versions to the worker, unless the app makes it", () => {
    expect(parseOptions(GOOD)).not.toHaveProperty("versions");
    expect(parseOptions({ ...GOOD, versions: ["moqt-19"] }).versions).toEqual(["moqt-19"]);
    for (const versions of [[], "moqt-18", [18]]) expect(refusal({ versions }).code).toBe("invalid-options");
  });

  test("say where relays may send us", () => {
    const origins = ["https://relay2.example:4443"];
    expect(parseOptions({ ...GOOD, redirects: { origins, maxHops: 1 } }).redirects).toEqual({
      origins,
      maxHops: 1,
    });
    expect(parseOptions({ ...GOOD, redirects: false }).redirects).toEqual({ maxHops: 0 });
    expect(refusal({ redirects: { maxHops: -1 } }).code).toBe("invalid-options");
    expect(refusal({ redirects: { origins: ["relay2"] } }).code).toBe("address-invalid");
  });

  test("carry a token; a function that gives one stays on the page", () => {
    expect(parseOptions({ ...GOOD, authorization: "secret" }).authorization).toEqual({ token: "secret" });
    expect(parseOptions({ ...GOOD, authorization: () => "secret" }).authorization).toEqual({});
    expect(refusal({ authorization: 7 }).code).toBe("invalid-options");
  });

  test.each<[string, string | Uint8Array]>([
    ["hexadecimal", KEY_HEX],
    ["capital hexadecimal", KEY_HEX.toUpperCase()],
    ["base64url", Buffer.from(KEY).toString("base64url")],
    ["base64", Buffer.from(KEY).toString("base64")],
    ["bytes", KEY],
  ])("take a root key as %s", (_form, root) => {
    expect(parseOptions({ ...GOOD, trust: { roots: [root] } }).roots).toEqual([KEY]);
  });

  test("pass on how many relays shall send at once", () => {
    expect(parseOptions({ ...GOOD, redundancy: 2 }).redundancy).toBe(2);
  });

  test("look for other relays only when told to, and only where told", () => {
    expect(parseOptions(GOOD).discover).toBeUndefined();
    expect(parseOptions({ ...GOOD, discover: false }).discover).toBeUndefined();
    expect(parseOptions({ ...GOOD, discover: true }).discover).toEqual({ hosts: [] });
    const hosts = ["relays.example.com", "*.cdn.example.net", "10.0.0.1", "[::1]"];
    expect(parseOptions({ ...GOOD, discover: { hosts } }).discover).toEqual({ hosts });
  });

  test("take a namespace field by field, slashes included", () => {
    expect(parseOptions({ ...GOOD, broadcast: ["a/b", "c"] }).broadcast).toEqual(["a/b", "c"]);
  });

  test("take certificate digests as bytes and as text", () => {
    const objects = [
      { url: "https://a.example", certificateHashes: [KEY, KEY_HEX, KEY_HEX.match(/../g)!.join(":")] },
    ];
    expect(parseOptions({ ...GOOD, objects }).objects[0]!.certificateHashes).toEqual([KEY, KEY, KEY]);
  });

  test("name a peer once", () => {
    expect(
      parseOptions({ ...GOOD, objects: ["https://a.example", "https://a.example"] }).objects,
    ).toHaveLength(1);
  });

  test("are copied: what the app does to its key afterwards changes nothing", () => {
    const root = KEY.slice();
    const { roots } = parseOptions({ ...GOOD, trust: { roots: [root] } });
    root.fill(0);
    expect(roots[0]).toEqual(KEY);
  });
});

describe("options that are refused say what to do", () => {
  test.each<[string, Record<string, unknown>, string]>([
    ["no broadcast", { broadcast: undefined }, "invalid-options"],
    ["an empty broadcast", { broadcast: "" }, "invalid-options"],
    ["an empty field", { broadcast: "a//b" }, "invalid-options"],
    ["33 fields", { broadcast: Array.from({ length: 33 }, () => "a") }, "invalid-options"],
    ["a namespace of 5 KB", { broadcast: ["a".repeat(5000)] }, "invalid-options"],
    ["no relays", { objects: [] }, "invalid-options"],
    ["relays that are no list", { objects: "https://a.example" }, "invalid-options"],
    [
      "17 relays",
      { objects: Array.from({ length: 17 }, (_, i) => `https://${i}.example`) },
      "invalid-options",
    ],
    ["no manifest peers", { manifests: [] }, "invalid-options"],
    ["a relative address", { objects: ["/moq"] }, "address-invalid"],
    ["nonsense for an address", { objects: ["https://"] }, "address-invalid"],
    ["an address that is not encrypted", { objects: ["http://a.example"] }, "address-invalid"],
    ["an address with a fragment", { objects: ["https://a.example/#x"] }, "address-invalid"],
    ["a peer without address", { objects: [{}] }, "address-invalid"],
    ["a peer that is nothing", { objects: [null] }, "address-invalid"],
    [
      "a short certificate digest",
      { objects: [{ url: "https://a.example", certificateHashes: ["00"] }] },
      "invalid-options",
    ],
    ["no trust", { trust: undefined }, "invalid-options"],
    ["no roots", { trust: { roots: [] } }, "invalid-options"],
    ["a root of 31 bytes", { trust: { roots: [KEY.slice(1)] } }, "invalid-options"],
    ["a root that is prose", { trust: { roots: ["my key"] } }, "invalid-options"],
    ["a root that is a number", { trust: { roots: [5] } }, "invalid-options"],
    ["a whole top-level domain of hosts", { discover: { hosts: ["*.com"] } }, "invalid-options"],
    ["every host", { discover: { hosts: ["*"] } }, "invalid-options"],
    ["an address in place of a host", { discover: { hosts: ["https://a.example/"] } }, "invalid-options"],
    ["no relay that sends", { redundancy: 0 }, "invalid-options"],
    ["half a relay", { redundancy: 1.5 }, "invalid-options"],
    ["a redundancy that is no number", { redundancy: "all" as unknown as number }, "invalid-options"],
    ["a latency nobody can keep", { targetLatencyMs: 10 }, "invalid-options"],
    ["a latency that is no number", { targetLatencyMs: Number.NaN }, "invalid-options"],
    ["an unknown way to resume", { resume: "later" }, "invalid-options"],
    ["a negative retention", { replay: { maxAgeMs: -1 } }, "invalid-options"],
    ["no versions", { versions: [] }, "invalid-options"],
  ])("%s", (_name, over, code) => {
    const error = refusal(over);
    expect(error.code).toBe(code);
    expect(error.hint).toMatch(/\.$/);
  });

  test("and no options at all", () => {
    expect(() => parseOptions(undefined as unknown as PlayerOptions)).toThrow(CountersignError);
  });

  test("the peer is named", () => {
    expect(refusal({ objects: ["http://a.example"] }).peer).toBe("http://a.example");
  });
});

describe("a browser that lacks something", () => {
  const whole: PlayerEnvironment = {
    isSecureContext: true,
    WebTransport: class {},
    crypto: globalThis.crypto,
  };

  function lack(environment: PlayerEnvironment): string | undefined {
    try {
      checkEnvironment(environment);
      return undefined;
    } catch (thrown) {
      return thrown instanceof CountersignError && thrown.hint !== undefined ? thrown.code : String(thrown);
    }
  }

  test("is told what, before anything else happens", () => {
    expect(lack(whole)).toBeUndefined();
    expect(lack({ ...whole, WebTransport: undefined })).toBe("webtransport-unavailable");
    expect(lack({ ...whole, crypto: {} })).toBe("crypto-unavailable");
    expect(lack({ ...whole, isSecureContext: false })).toBe("crypto-unavailable");
  });

  test("and cannot verify Ed25519, is told that", async () => {
    await expect(checkSignatureSupport(whole, [KEY])).resolves.toBeUndefined();
    const importKey = (): Promise<never> => Promise.reject(new DOMException("no", "NotSupportedError"));
    const subtle = { importKey } as unknown as SubtleCrypto;
    await expect(checkSignatureSupport({ ...whole, crypto: { subtle } }, [KEY])).rejects.toMatchObject({
      code: "crypto-unavailable",
    });
  });
});
