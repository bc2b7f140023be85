import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { utf8Decode, utf8Encode } from "../utf8.ts";
import { namespaceKey, namespaceOf, trackKey } from "../wire/names.ts";
import { buildCatalog, type CatalogDescription } from "./build.ts";
import { applyDelta } from "./delta.ts";
import {
  findTrack,
  fullTrackName,
  initDataOf,
  manifestTrackFor,
  mediaTracks,
  timelineTracksFor,
} from "./lookup.ts";
import { parseCatalog, parseDelta } from "./parse.ts";
import { MAX_CATALOG_BYTES, MAX_CATALOG_TRACKS, MAX_INIT_DATA_BYTES } from "./types.ts";

const vector = (name: string): Uint8Array => readFileSync(new URL(`./vectors/${name}.json`, import.meta.url));
const bytesOf = (document: unknown): Uint8Array => utf8Encode(JSON.stringify(document));
const names = (catalog: { tracks: readonly { name: string }[] }) => catalog.tracks.map((track) => track.name);
const malformed = (text: RegExp) =>
  expect.objectContaining({ code: "catalog-malformed", message: expect.stringMatching(text) });

const live = { packaging: "cmaf", isLive: true };
const base = { version: "draft-01", tracks: [{ name: "video", ...live }] };

describe("the examples of the drafts", () => {
  test("audio and video of one quality (MSF)", () => {
    const catalog = parseCatalog(vector("msf-01-single-quality"));
    expect(catalog).toMatchObject({ version: "draft-01", generatedAt: 1746104606044, isComplete: false });
    expect(catalog.tracks[0]).toMatchObject({
      name: "1080p-video",
      namespace: "conference.example.com/conference123/alice",
      packaging: "loc",
      isLive: true,
      targetLatency: 2000,
      role: "video",
      renderGroup: 1,
      codec: "av01.0.08M.10.0.110.09",
      width: 1920,
      height: 1080,
      framerate: 30,
      bitrate: 1_500_000,
    });
    expect(catalog.tracks[1]).toMatchObject({ codec: "opus", samplerate: 48_000, channelConfig: "2" });
    expect(names({ tracks: mediaTracks(catalog) })).toEqual(["1080p-video", "audio"]);
  });

  test("the same in the text of -00, where the version is a number", () => {
    expect(parseCatalog(vector("msf-00-single-quality"))).toMatchObject({ version: "1" });
  });

  test("three qualities in CMAF (CMSF), whose abridged headers are only looked at when they are wanted", () => {
    const catalog = parseCatalog(vector("cmsf-simulcast"));
    expect(catalog.tracks.map((t) => [t.name, t.packaging, t.altGroup])).toEqual([
      ["hd", "cmaf", 1],
      ["md", "cmaf", 1],
      ["sd", "cmaf", 1],
      ["audio", "cmaf", undefined],
    ]);
    expect(() => initDataOf(catalog, catalog.tracks[0]!)).toThrow(malformed(/"hd" is not base64/));
  });

  test("layers that depend on each other", () => {
    const catalog = parseCatalog(vector("msf-01-layers"));
    expect(findTrack(catalog, "1080p30", "conference.example.com/conference123/alice")).toMatchObject({
      depends: ["480p30", "1080p15"],
      buffers: { target: 2000 },
    });
  });

  test("fields that nobody defined are kept aside", () => {
    const [track] = parseCatalog(vector("msf-01-custom-fields")).tracks;
    expect(track?.fields["com.example-tier"]).toBe("premium");
    expect(track?.buffers).toEqual({ target: 2000, min: 1500, max: 5000 });
  });

  test("encrypted tracks", () => {
    const [track] = parseCatalog(vector("msf-01-encrypted")).tracks;
    expect(track?.encryption).toEqual({
      scheme: "moq-secure-objects",
      cipherSuite: "aes-128-gcm-sha256",
      keyId: "key-2024-q1-premium",
    });
  });

  test("a media timeline track, which lacks the required isLive there, belongs to the tracks it names", () => {
    const catalog = parseCatalog(vector("msf-01-timelines"));
    const video = findTrack(catalog, "1080p-video", "conference.example.com/conference123/alice")!;
    expect(names({ tracks: timelineTracksFor(catalog, video) })).toEqual(["history"]);
    expect(catalog.tracks[0]?.isLive).toBe(true);
    expect(names({ tracks: mediaTracks(catalog) })).toEqual(["1080p-video", "audio"]);
  });

  test("a timeline template", () => {
    expect(parseCatalog(vector("msf-01-template")).tracks[0]?.template).toEqual({
      startMediaMs: 0,
      deltaMediaMs: 2002,
      startLocation: [0, 0],
      deltaLocation: [1, 0],
      startWallclockMs: 1759924158381,
      deltaWallclockMs: 2002,
    });
  });

  test("a broadcast that is over", () => {
    expect(parseCatalog(vector("msf-01-terminated"))).toMatchObject({ isComplete: true, tracks: [] });
  });

  // The examples change tracks that they do not show; these are the least that makes them apply.
  const conference = parseCatalog(
    bytesOf({
      version: "draft-01",
      tracks: [
        { name: "video-1080", ...live, width: 1920, bitrate: 9 },
        { name: "video-1080", namespace: "example.com/custom", ...live, height: 1080, role: "video" },
        { name: "video", ...live },
      ],
    }),
  );

  test("a delta that updates, adds and clones (MSF)", () => {
    const after = applyDelta(conference, parseDelta(vector("msf-01-delta-add")));
    expect(names(after)).toEqual(["video-1080", "video-1080", "video", "slides", "video-720"]);
    expect(after.tracks[0]).toMatchObject({ bitrate: 4_000_000, width: 1920 });
    expect(after.tracks[4]).toMatchObject({ width: 1280, height: 720, role: "video" });
    expect(after.tracks[4]?.fields["parentName"]).toBeUndefined();
    expect(after.generatedAt).toBe(1746104606044);
    expect(conference.tracks[0]?.bitrate).toBe(9);
  });

  test("a delta that removes, after the one that added (MSF)", () => {
    const added = applyDelta(conference, parseDelta(vector("msf-01-delta-add")));
    const after = applyDelta(added, parseDelta(vector("msf-01-delta-remove")));
    expect(names(after)).toEqual(["video-1080", "video-1080", "video-720"]);
  });

  test("both in the form of -00", () => {
    // -00 lets the added track inherit nothing and yet leaves out the packaging that it requires.
    expect(() => applyDelta(conference, parseDelta(vector("msf-00-delta-add")))).toThrow(
      malformed(/packaging/),
    );
    const slides = applyDelta(
      conference,
      parseDelta(bytesOf({ deltaUpdate: true, addTracks: [{ name: "slides", ...live }] })),
    );
    expect(names(applyDelta(slides, parseDelta(vector("msf-00-delta-remove"))))).toEqual([
      "video-1080",
      "video-1080",
    ]);
  });
});

describe("what a catalog must be", () => {
  test.each([
    ["nothing at all", new Uint8Array(), /not JSON/],
    ["bytes that are not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), /UTF-8/],
    ["an array", bytesOf([]), /not a JSON object/],
    ["no version", bytesOf({ tracks: [] }), /version/],
    ["a version from the future", bytesOf({ version: "draft-77", tracks: [] }), /"draft-77"/],
    ["no tracks", bytesOf({ version: "draft-01" }), /"tracks"/],
    ["tracks that are no objects", bytesOf({ version: "draft-01", tracks: ["video"] }), /"tracks"/],
    ["a track without a name", bytesOf({ version: "draft-01", tracks: [live] }), /"name" of a track/],
    [
      "a track without packaging",
      bytesOf({ version: "draft-01", tracks: [{ name: "video" }] }),
      /"packaging"/,
    ],
    ["a track that is there twice", bytesOf({ ...base, tracks: [...base.tracks, ...base.tracks] }), /twice/],
    [
      "a width in words",
      bytesOf({ ...base, tracks: [{ ...base.tracks[0], width: "640" }] }),
      /"width".*"video"/,
    ],
    ["a negative bitrate", bytesOf({ ...base, tracks: [{ ...base.tracks[0], bitrate: -1 }] }), /"bitrate"/],
    ["half a pixel", bytesOf({ ...base, tracks: [{ ...base.tracks[0], height: 360.5 }] }), /whole number/],
    [
      "dependencies that are no strings",
      bytesOf({ ...base, tracks: [{ ...base.tracks[0], depends: [1] }] }),
      /"depends"/,
    ],
    [
      "an unfinished template",
      bytesOf({ ...base, tracks: [{ ...base.tracks[0], template: [0, 1] }] }),
      /"template"/,
    ],
    ["a delta", vector("msf-01-delta-add"), /delta/],
    [
      "an epoch that is no time",
      bytesOf({ ...base, "org.countersign": { v: 1, epochMs: "now" } }),
      /"epochMs"/,
    ],
    [
      "two init data of one id",
      bytesOf({ ...base, initDataList: Array(2).fill({ id: "a", type: "inline", data: "AA==" }) }),
      /one id/,
    ],
  ])("%s is refused, and the error says what is wrong", (_, bytes, text) => {
    expect(() => parseCatalog(bytes)).toThrow(malformed(text));
  });

  test("an infinite number, which JSON can express by 1e999, is refused", () => {
    const text = JSON.stringify(base).replace('"isLive":true', '"isLive":true,"bitrate":1e999');
    expect(() => parseCatalog(utf8Encode(text))).toThrow(malformed(/"bitrate"/));
  });

  test("more bytes than the limit are refused before they are parsed; exactly the limit is read", () => {
    const padded = (size: number) => {
      const bytes = new Uint8Array(size).fill(0x20);
      bytes.set(bytesOf(base));
      return bytes;
    };
    expect(names(parseCatalog(padded(MAX_CATALOG_BYTES)))).toEqual(["video"]);
    expect(() => parseCatalog(padded(MAX_CATALOG_BYTES + 1))).toThrow(malformed(/over the limit/));
  });

  test("more tracks than the limit are refused, at once or by a delta", () => {
    const tracks = Array.from({ length: MAX_CATALOG_TRACKS }, (_, i) => ({
      name: `t${i}`,
      packaging: "loc",
    }));
    const full = parseCatalog(bytesOf({ version: "draft-01", tracks }));
    const one = { name: "one more", packaging: "loc" };
    expect(() => parseCatalog(bytesOf({ version: "draft-01", tracks: [...tracks, one] }))).toThrow(
      malformed(/limit/),
    );
    const delta = parseDelta(bytesOf({ deltaUpdate: [{ op: "add", tracks: [one] }] }));
    expect(() => applyDelta(full, delta)).toThrow(malformed(/limit/));
  });

  test("names that every JavaScript object has are names like any other", () => {
    const text =
      '{"version":"draft-01","__proto__":{"isComplete":true},"tracks":[{"name":"constructor","packaging":"loc"}]}';
    const catalog = parseCatalog(utf8Encode(text));
    expect(catalog.isComplete).toBe(false);
    expect(catalog.tracks[0]?.name).toBe("constructor");
  });
});

describe("what a delta must be", () => {
  const catalog = parseCatalog(
    bytesOf({ ...base, tracks: [...base.tracks, { name: "ended", packaging: "loc", isLive: false }] }),
  );
  const delta = (...deltaUpdate: unknown[]) => parseDelta(bytesOf({ deltaUpdate }));

  test.each([
    ["removes what is not there", { op: "remove", tracks: [{ name: "nobody" }] }, /removes track "nobody"/],
    ["updates what is not there", { op: "update", tracks: [{ parentName: "nobody" }] }, /updates/],
    ["clones what is not there", { op: "clone", tracks: [{ parentName: "nobody", name: "x" }] }, /clones/],
    ["clones without a parent", { op: "clone", tracks: [{ name: "x" }] }, /parent/],
    ["clones under the parent's name", { op: "clone", tracks: [{ parentName: "video" }] }, /"name"/],
    ["adds what is there", { op: "add", tracks: base.tracks }, /there already/],
    ["makes a field wrong", { op: "update", tracks: [{ parentName: "video", width: "wide" }] }, /"width"/],
    [
      "revives an ended track",
      { op: "update", tracks: [{ parentName: "ended", isLive: true }] },
      /back to life/,
    ],
  ])("one that %s is refused", (_, operation, text) => {
    expect(() => applyDelta(catalog, delta(operation))).toThrow(malformed(text));
  });

  test("one without operations, with an unknown one, or that is a whole catalog is refused", () => {
    expect(() => delta()).toThrow(malformed(/no operation/));
    expect(() => delta({ op: "shuffle", tracks: [] })).toThrow(malformed(/"shuffle"/));
    expect(() => parseDelta(bytesOf(base))).toThrow(malformed(/whole catalog/));
    expect(() => parseDelta(bytesOf({ ...base, deltaUpdate: [{ op: "remove", tracks: [] }] }))).toThrow(
      malformed(/at once/),
    );
  });

  test("operations see what those before them did", () => {
    const after = applyDelta(
      catalog,
      delta(
        { op: "remove", tracks: [{ name: "video" }] },
        { op: "add", tracks: [{ name: "video", packaging: "loc", lang: "de" }] },
        { op: "clone", tracks: [{ parentName: "video", name: "copy" }] },
      ),
    );
    expect(findTrack(after, "copy")).toMatchObject({ packaging: "loc", lang: "de" });
    expect(names(after)).toEqual(["ended", "video", "copy"]);
  });

  test("an update changes neither name nor place of a track, and can end it", () => {
    const after = applyDelta(
      catalog,
      delta({ op: "update", tracks: [{ parentName: "video", isLive: false }] }),
    );
    expect(names(after)).toEqual(["video", "ended"]);
    expect(after.tracks[0]?.isLive).toBe(false);
  });
});

describe("a catalog of ours", () => {
  const header = Uint8Array.of(0, 0, 0, 8, 0x66, 0x74, 0x79, 0x70, 255);
  const description: CatalogDescription = {
    broadcast: {
      v: 1,
      epochMs: 1_700_000_000_000,
      groupDurationMs: 1000,
      regularGroups: true,
      objectDurationMs: 200,
    },
    tracks: [
      {
        name: "video",
        packaging: "cmaf",
        role: "video",
        codec: "avc1.4d401e",
        mimeType: "video/mp4",
        initData: header,
        timescale: 48_000,
        bitrate: 600_000,
        template: [0, 1000, [0, 0], [1, 0], 1_700_000_000_000, 1000],
      },
      {
        name: "audio",
        packaging: "cmaf",
        role: "audio",
        codec: "mp4a.40.2",
        mimeType: "audio/mp4",
        timescale: 48_000,
        bitrate: 96_000,
      },
    ],
  };
  const catalog = parseCatalog(buildCatalog(description));

  test("comes back as it was described", () => {
    expect(catalog.broadcast).toEqual(description.broadcast);
    const [video] = mediaTracks(catalog);
    const { initData: _, template: __, ...plain } = description.tracks[0]!;
    expect(video).toMatchObject({ ...plain, isLive: true, renderGroup: 1 });
    expect(video?.template?.startWallclockMs).toBe(1_700_000_000_000);
    expect(initDataOf(catalog, video!)).toEqual(header);
  });

  test("has a manifest track beside every media track, found by the track's name", () => {
    expect(names(catalog)).toEqual(["video", "video.manifest", "audio", "audio.manifest"]);
    expect(manifestTrackFor(catalog, "audio")).toMatchObject({
      name: "audio.manifest",
      packaging: "org.countersign.manifest",
      depends: ["audio"],
    });
    expect(manifestTrackFor(catalog, "video.manifest")).toBeUndefined();
    expect(manifestTrackFor(catalog, "audio", "elsewhere")).toBeUndefined();
    expect(names({ tracks: mediaTracks(catalog) })).toEqual(["video", "audio"]);
  });

  test("is the same to the byte whatever the order of the description's keys", () => {
    const reversed = description.tracks.map((track) => Object.fromEntries(Object.entries(track).reverse()));
    expect(
      buildCatalog({ ...description, tracks: reversed as unknown as CatalogDescription["tracks"] }),
    ).toEqual(buildCatalog(description));
  });

  test("without signatures has no manifest tracks", () => {
    expect(names(parseCatalog(buildCatalog({ ...description, signed: false })))).toEqual(["video", "audio"]);
  });

  test("from other software has no time base", () => {
    expect(parseCatalog(vector("cmsf-simulcast")).broadcast).toBeUndefined();
  });
});

describe("names and initialization data", () => {
  const own = namespaceOf("example.com", "live");
  const parsed = (track: object, root: object = {}) =>
    parseCatalog(bytesOf({ ...base, ...root, tracks: [{ name: "v", ...live, ...track }] }));

  test("a track without a namespace is in the catalog's, a written one is split at slashes", () => {
    expect(trackKey(fullTrackName(own, parsed({}).tracks[0]!))).toBe("example.2ecom-live--v");
    const elsewhere = fullTrackName(own, parsed({ namespace: "a.b/c" }).tracks[0]!);
    expect(namespaceKey(elsewhere.namespace)).toBe("a.2eb-c");
    expect(() => fullTrackName(own, parsed({ namespace: "/" }).tracks[0]!)).toThrow(malformed(/namespace/));
  });

  test("initialization data by reference are found in the catalog, or known to come with the track", () => {
    const initDataList = [
      { id: "a", type: "inline", data: "AQID" },
      { id: "b", type: "track-property", data: "79" },
    ];
    const catalog = (initRef: string) => parsed({ initRef }, { initDataList });
    expect(initDataOf(catalog("a"), catalog("a").tracks[0]!)).toEqual(Uint8Array.of(1, 2, 3));
    expect(initDataOf(catalog("b"), catalog("b").tracks[0]!)).toBeUndefined();
    expect(() => initDataOf(catalog("c"), catalog("c").tracks[0]!)).toThrow(malformed(/refers to no/));
    expect(initDataOf(parsed({}), parsed({}).tracks[0]!)).toBeUndefined();
  });

  test("initialization data over the limit are refused before they are decoded", () => {
    const catalog = parsed({ initData: "A".repeat((MAX_INIT_DATA_BYTES / 3 + 10) * 4) });
    expect(() => initDataOf(catalog, catalog.tracks[0]!)).toThrow(malformed(/too long/));
  });

  test("an error is a CountersignError that can be shown", () => {
    try {
      parseCatalog(new Uint8Array());
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(CountersignError);
      expect((error as CountersignError).toData().hint).toMatch(/publisher/);
    }
    expect(
      utf8Decode(
        buildCatalog({
          broadcast: { v: 1, epochMs: 0, groupDurationMs: 1, regularGroups: true, objectDurationMs: 1 },
          tracks: [],
        }),
      ),
    ).toContain("org.countersign");
  });
});
