import { expect, test } from "vitest";
import { initDataOf, manifestTrackFor, mediaTracks } from "../catalog/lookup.ts";
import { parseCatalog } from "../catalog/parse.ts";
import { broadcastCatalog } from "./broadcast-catalog.ts";
import { GroupCutter } from "./group-cutter.ts";
import { syntheticClip } from "./synthetic-clip.ts";

const EPOCH_MS = 1_700_000_000_000;
const cutter = new GroupCutter(syntheticClip({ seconds: 8 }), { objectMs: 200 });

test("the catalog says of every track what a player needs before the first object", () => {
  const catalog = parseCatalog(broadcastCatalog(cutter, { epochMs: EPOCH_MS, targetLatencyMs: 400 }));
  const [video, audio] = mediaTracks(catalog);
  expect(video).toMatchObject({
    name: "video",
    packaging: "cmaf",
    role: "video",
    codec: "avc1.4d401e",
    mimeType: "video/mp4",
    timescale: 48_000,
    width: 640,
    height: 360,
    framerate: 25,
    targetLatency: 400,
    maxGroupDuration: 1000,
    isLive: true,
  });
  expect(audio).toMatchObject({ role: "audio", codec: "mp4a.40.2", samplerate: 48_000, channelConfig: "2" });
  expect(initDataOf(catalog, video!)).toEqual(cutter.tracks[0]?.initSegment);
  expect(manifestTrackFor(catalog, "video")?.name).toBe("video.manifest");
});

test("the time base maps groups to the wall clock", () => {
  const catalog = parseCatalog(broadcastCatalog(cutter, { epochMs: EPOCH_MS }));
  expect(catalog.broadcast).toEqual({
    v: 1,
    epochMs: EPOCH_MS,
    groupDurationMs: 1000,
    regularGroups: true,
    objectDurationMs: 200,
  });
  const [video, audio] = mediaTracks(catalog);
  expect(video?.template).toMatchObject({
    deltaMediaMs: 1000,
    deltaLocation: [1, 0],
    startWallclockMs: EPOCH_MS,
  });
  expect(audio?.template).toBeUndefined();
});

test("no group is above the bitrate that is told, and the average is below it", () => {
  const [video] = mediaTracks(parseCatalog(broadcastCatalog(cutter, { epochMs: 0 })));
  const bits = Array.from({ length: 8 }, (_, group) =>
    cutter.group("video", group).reduce((sum, { payload }) => sum + payload.byteLength * 8, 0),
  );
  expect(video?.bitrate).toBe(Math.max(...bits));
  expect(video?.avgBitrate).toBe(Math.round(bits.reduce((a, b) => a + b) / 8));
});

test("irregular groups are declared irregular and get no template", () => {
  const irregular = new GroupCutter(syntheticClip({ seconds: 8, gopFrames: 75 }), { objectMs: 200 });
  const catalog = parseCatalog(broadcastCatalog(irregular, { epochMs: 0 }));
  expect(catalog.broadcast).toMatchObject({ regularGroups: false, groupDurationMs: 3000 });
  expect(mediaTracks(catalog)[0]?.template).toBeUndefined();
});

test("two processes with the same clip write the same bytes", () => {
  const other = new GroupCutter(syntheticClip({ seconds: 8 }), { objectMs: 200 });
  other.group("audio", 77);
  expect(broadcastCatalog(other, { epochMs: EPOCH_MS })).toEqual(
    broadcastCatalog(cutter, { epochMs: EPOCH_MS }),
  );
});
