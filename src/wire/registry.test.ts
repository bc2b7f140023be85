import { describe, expect, it } from "vitest";
import { errorOf } from "./draft18/fixtures.ts";
import { codecFor, codecs, supportedVersions } from "./registry.ts";

describe("the drafts we speak", () => {
  it("begins with draft-18 and finds each by its version", () => {
    expect(supportedVersions[0]).toBe("moqt-18");
    for (const codec of codecs) expect(codecFor(codec.version)).toBe(codec);
  });

  it("refuses a version it does not speak and says which it does", () => {
    const error = errorOf(() => codecFor("moqt-99"));
    expect(error.code).toBe("version-unsupported");
    expect(error.hint).toContain("moqt-18");
  });
});
