import { describe, expect, it } from "vitest";
import { errorOf } from "./draft18/fixtures.ts";
import { everyCodec } from "./every-codec.ts";
import { loadCodec, openingOf, supportedVersions } from "./registry.ts";

describe("the drafts we speak", () => {
  it("begins with draft-18 and loads each by its version", async () => {
    expect(supportedVersions[0]).toBe("moqt-18");
    expect(supportedVersions).toEqual(expect.arrayContaining(["moqt-16", "moqt-14"]));
    for (const version of supportedVersions) {
      const codec = await loadCodec(version);
      expect(codec.version).toBe(version);
      expect(await loadCodec(version)).toBe(codec);
    }
  });

  it("says of each, without loading it, how its sessions begin", () => {
    for (const { version, capabilities } of everyCodec) {
      const { unidirectionalControl, inBandVersion } = capabilities;
      expect(openingOf(version)).toMatchObject({ unidirectionalControl, inBandVersion });
    }
  });

  it("gives a codec for a shared control stream to exactly those drafts that have one", () => {
    for (const { shared, capabilities } of everyCodec)
      expect(shared === undefined).toBe(capabilities.requestStreams);
  });

  it("refuses a version it does not speak and says which it does", async () => {
    const error = errorOf(() => openingOf("moqt-99"));
    expect(error.code).toBe("version-unsupported");
    expect(error.hint).toContain("moqt-18");
    await expect(loadCodec("moqt-99")).rejects.toMatchObject({ code: "version-unsupported" });
  });
});
