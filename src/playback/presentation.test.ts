import { describe, expect, test } from "vitest";
import { concatBytes } from "../publish/boxes.ts";
import { GroupCutter } from "../publish/group-cutter.ts";
import { syntheticClip } from "../publish/synthetic-clip.ts";
import type { ResourceResponse } from "../rpc/protocol.ts";
import { EPOCH_MS, fixtureOf } from "./fixture.test-data.ts";
import { measureGroup } from "./measure-group.ts";
import { Presentation, type PresentationOptions, SEGMENTS_BEFORE_LEAVING_OUT } from "./presentation.ts";

const { feed, objectsOf, playableTrack, windowOf } = fixtureOf(
  new GroupCutter(syntheticClip({ seconds: 16 }), { objectMs: 200 }),
);

let nextId = 1;

function setUp(options: Partial<PresentationOptions> = {}) {
  const video = windowOf("video");
  const audio = windowOf("audio");
  const presentation = new Presentation({ epochMs: EPOCH_MS, windows: [video, audio], ...options });
  const get = (path: string, id = nextId++): Promise<ResourceResponse> => presentation.resource({ id, path });
  const media = async (path: string): Promise<Uint8Array> => {
    const response = await get(path);
    if (response.kind !== "media") throw new Error("not media");
    return new Uint8Array(response.data);
  };
  return { video, audio, presentation, get, media };
}

async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => {
      done = true;
    },
    () => {
      done = true;
    },
  );
  await new Promise((resolve) => setTimeout(resolve));
  return done;
}

const payloads = (name: "video" | "audio", group: number) =>
  objectsOf(name, group).map(({ payload }) => payload);

describe("media", () => {
  test("a part is the object's payload, a segment all of them in order, in buffers of exactly that size", async () => {
    const { video, media } = setUp();
    feed(video, 3, 3);
    expect(await media("video/3.2.m4s")).toEqual(payloads("video", 3)[2]);
    expect(await media("video/3.m4s")).toEqual(concatBytes(payloads("video", 3)));
    expect(await media("video/init.mp4")).toEqual(playableTrack("video").initSegment);
  });

  test("is a copy that can be transferred without taking it from others", async () => {
    const { video, media } = setUp();
    feed(video, 3, 3);
    const once = await media("video/3.0.m4s");
    structuredClone(once.buffer, { transfer: [once.buffer as ArrayBuffer] });
    expect(await media("video/3.0.m4s")).toEqual(payloads("video", 3)[0]);
  });

  test("of a group in two segments comes in two pieces", async () => {
    const { video, audio, media, get } = setUp();
    const objects = objectsOf("video", 3);
    for (const object of objects.slice(0, 2)) video.append(object);
    feed(audio, 3, 3);
    await get("main.m3u8");
    for (const object of objects.slice(2)) video.append(object);
    expect(await media("video/3.m4s")).toEqual(concatBytes(payloads("video", 3).slice(0, 2)));
    expect(await media("video/3-2.m4s")).toEqual(concatBytes(payloads("video", 3).slice(2)));
    expect(await media("video/3.4.m4s")).toEqual(payloads("video", 3)[4]);
  });

  test("that left the window is read from the store, in whole and in part", async () => {
    const asked: string[] = [];
    const { video, media } = setUp({
      loadStored: async (track, group) => {
        asked.push(`${track} ${group}`);
        return objectsOf("video", Number(group));
      },
    });
    video.prepend([measureGroup(video.track, 2, objectsOf("video", 2))!]);
    expect(await media("video/2.m4s")).toEqual(concatBytes(payloads("video", 2)));
    expect(await media("video/1.3.m4s")).toEqual(payloads("video", 1)[3]);
    expect(asked).toEqual(["video 2", "video 1"]);
  });

  test("that is nowhere is range-unavailable; a store that fails is its error, not an absence", async () => {
    const nowhere = setUp({ loadStored: async () => undefined });
    await expect(nowhere.get("video/2.m4s")).rejects.toMatchObject({ code: "range-unavailable" });
    const failing = setUp({ loadStored: () => Promise.reject(new Error("disk on fire")) });
    await expect(failing.get("video/2.m4s")).rejects.toMatchObject({
      code: "internal",
      message: "disk on fire",
    });
  });

  test("ids of 64 bits find their group", async () => {
    const { video, media } = setUp();
    const id = 2n ** 63n + 1n;
    for (const object of objectsOf("video", 4, id)) video.append(object);
    expect(await media(`video/${id}.1.m4s`)).toEqual(payloads("video", 4)[1]);
  });

  test.each([
    "",
    "video",
    "video/x",
    "video/3.x.m4s",
    "video/3.2.1.m4s",
    "../video/3.m4s",
    "other/3.m4s",
    "main.m3u8/x",
  ])("a path that means nothing is refused: %j", async (path) => {
    await expect(setUp().get(path)).rejects.toMatchObject({ code: "track-unknown" });
  });
});

describe("the multivariant playlist", () => {
  test("is held until every track has something", async () => {
    const { video, audio, get } = setUp();
    const main = get("main.m3u8");
    feed(video, 3, 3);
    expect(await settled(main)).toBe(false);
    feed(audio, 3, 3);
    expect(await main).toMatchObject({ text: expect.stringContaining("audio/live.m3u8") });
  });

  test("is held until there is as much as the latency that will be kept", async () => {
    const { video, audio, get } = setUp({ startWithMs: 350 });
    const main = get("main.m3u8");
    for (const object of objectsOf("audio", 3)) audio.append(object);
    const [first, second] = objectsOf("video", 3);
    video.append(first!);
    expect(await settled(main)).toBe(false);
    video.append(second!);
    expect(await settled(main)).toBe(true);
  });

  test("is held until a reader near the end begins behind the gap between stored and live media, whichever track has it", async () => {
    const { video, audio, get } = setUp({ startWithMs: 350 });
    feed(video, 3, 3);
    const [pictures, sounds] = [objectsOf("video", 4), objectsOf("audio", 4)];
    audio.append(sounds[0]!);
    for (const window of [video, audio])
      window.prepend([measureGroup(window.track, 2, objectsOf(window.track.name as "video" | "audio", 2))!]);
    expect(video.segments.map(({ kind }) => kind)).not.toContain("gap");
    expect(audio.segments.map(({ kind }) => kind)).toContain("gap");

    const main = get("main.m3u8");
    expect(await settled(main)).toBe(false);
    // Enough of each by itself, but the sound begins at 4 s.
    video.append(pictures[0]!);
    audio.append(sounds[1]!);
    expect(await settled(main)).toBe(false);
    video.append(pictures[1]!);
    audio.append(sounds[2]!);
    expect(await settled(main)).toBe(false);
    video.append(pictures[2]!);
    expect(await settled(main)).toBe(true);
  });

  test("comes although holes go on and on, once another track shows that time passes", async () => {
    const { video, audio, get } = setUp({ startWithMs: 350 });
    const main = get("main.m3u8");
    for (let group = 0; group < SEGMENTS_BEFORE_LEAVING_OUT; group++) {
      audio.append(objectsOf("audio", group)[4]!);
      expect(await settled(main)).toBe(false);
      feed(video, group, group);
    }
    expect(await settled(main)).toBe(true);
  });

  test("leaves out a track that stays silent while another goes on", async () => {
    const { video, get } = setUp();
    const main = get("main.m3u8");
    feed(video, 0, SEGMENTS_BEFORE_LEAVING_OUT - 2);
    expect(await settled(main)).toBe(false);
    feed(video, SEGMENTS_BEFORE_LEAVING_OUT - 1, SEGMENTS_BEFORE_LEAVING_OUT - 1);
    const response = await main;
    expect(response.kind === "playlist" && response.text).not.toContain("audio");
  });

  test("comes at once for stored media", async () => {
    const { video, audio, get } = setUp({ startWithMs: 400 });
    for (const window of [video, audio]) {
      const name = window.track.name as "video" | "audio";
      window.prepend([measureGroup(window.track, 2, objectsOf(name, 2))!]);
      window.end();
    }
    expect((await get("main.m3u8")).kind).toBe("playlist");
  });
});

describe("requests", () => {
  test("for a part that is to come are held, and canceled by their number", async () => {
    const { video, presentation, get } = setUp();
    feed(video, 0, 0);
    const held = get("video/live.m3u8?_HLS_msn=2&_HLS_part=0", 4711);
    const other = get("video/live.m3u8?_HLS_msn=2&_HLS_part=1", 4712);
    expect(await settled(held)).toBe(false);
    presentation.cancel(4711);
    await expect(held).rejects.toMatchObject({ code: "destroyed" });
    expect(await settled(other)).toBe(false);
    feed(video, 1, 1);
    expect((await other).kind).toBe("playlist");
  });

  test("with numbers that are none are answered at once", async () => {
    const { video, get } = setUp();
    feed(video, 0, 0);
    expect((await get("video/live.m3u8?_HLS_msn=abc&_HLS_part=-1")).kind).toBe("playlist");
  });

  test("all end when the presentation closes", async () => {
    const { presentation, get } = setUp();
    const held = [get("main.m3u8"), get("video/live.m3u8")];
    presentation.close();
    for (const request of held) await expect(request).rejects.toMatchObject({ code: "destroyed" });
    await expect(get("video/init.mp4")).rejects.toMatchObject({ code: "destroyed" });
  });
});
