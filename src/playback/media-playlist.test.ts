import { describe, expect, test } from "vitest";
import { GroupCutter } from "../publish/group-cutter.ts";
import { syntheticClip } from "../publish/synthetic-clip.ts";
import { EPOCH_MS, fixtureOf } from "./fixture.test-data.ts";
import { measureGroup } from "./measure-group.ts";
import { MediaPlaylist } from "./media-playlist.ts";
import type { TrackWindow } from "./track-window.ts";

const { feed, objectsOf, windowOf } = fixtureOf(
  new GroupCutter(syntheticClip({ seconds: 16 }), { objectMs: 200 }),
);

const playlistOf = (window: TrackWindow) => new MediaPlaylist(window, { epochMs: EPOCH_MS });

/** "held", or what the promise came to, as far as it came by now. */
async function stateOf(promise: Promise<string>): Promise<string> {
  return Promise.race([
    promise.then(
      () => "answered",
      (thrown: { code: string }) => thrown.code,
    ),
    Promise.resolve()
      .then(() => Promise.resolve())
      .then(() => Promise.resolve())
      .then(() => "held"),
  ]);
}

describe("the list of a live track", () => {
  test("is this, word for word", () => {
    const window = windowOf("video");
    feed(window, 100, 104);
    for (const object of objectsOf("video", 105).slice(0, 2)) window.append(object);
    expect(playlistOf(window).text()).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6
#EXT-X-PART-INF:PART-TARGET=0.2
#EXT-X-MEDIA-SEQUENCE:101
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:01:40.000Z
#EXTINF:1,
100.m4s
#EXTINF:1,
101.m4s
#EXT-X-PART:DURATION=0.2,URI="102.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI="102.1.m4s"
#EXT-X-PART:DURATION=0.2,URI="102.2.m4s"
#EXT-X-PART:DURATION=0.2,URI="102.3.m4s"
#EXT-X-PART:DURATION=0.2,URI="102.4.m4s"
#EXTINF:1,
102.m4s
#EXT-X-PART:DURATION=0.2,URI="103.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI="103.1.m4s"
#EXT-X-PART:DURATION=0.2,URI="103.2.m4s"
#EXT-X-PART:DURATION=0.2,URI="103.3.m4s"
#EXT-X-PART:DURATION=0.2,URI="103.4.m4s"
#EXTINF:1,
103.m4s
#EXT-X-PART:DURATION=0.2,URI="104.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI="104.1.m4s"
#EXT-X-PART:DURATION=0.2,URI="104.2.m4s"
#EXT-X-PART:DURATION=0.2,URI="104.3.m4s"
#EXT-X-PART:DURATION=0.2,URI="104.4.m4s"
#EXTINF:1,
104.m4s
#EXT-X-PART:DURATION=0.2,URI="105.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI="105.1.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="105.2.m4s"
`);
  });

  test("ends with a hint of the next group when the last segment is whole", () => {
    const window = windowOf("video");
    feed(window, 100, 100);
    expect(playlistOf(window).text().trimEnd().split("\n").at(-1)).toBe(
      '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="101.0.m4s"',
    );
  });

  test("has gaps where media will not come, and the date behind them", () => {
    const window = windowOf("video");
    feed(window, 100, 100);
    feed(window, 102, 102);
    expect(playlistOf(window).text()).toContain(`100.m4s
#EXT-X-GAP
#EXTINF:1,
gap.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:01:42.000Z
#EXT-X-PART:DURATION=0.2,URI="102.0.m4s",INDEPENDENT=YES`);
  });

  test("tells discontinuities, and how many have left", () => {
    const window = windowOf("video", { maxSegments: 3 });
    feed(window, 0, 0);
    feed(window, 500, 501);
    expect(playlistOf(window).text()).toContain("0.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME");
    feed(window, 502, 504);
    expect(playlistOf(window).text()).toContain("#EXT-X-DISCONTINUITY-SEQUENCE:1");
  });

  test("has a target duration and a part target that nothing in it exceeds", () => {
    const window = windowOf("audio");
    feed(window, 0, 20);
    const text = playlistOf(window).text();
    const numbers = (pattern: RegExp) => [...text.matchAll(pattern)].map((match) => Number(match[1]));
    const [target] = numbers(/TARGETDURATION:(\d+)/g);
    const [partTarget] = numbers(/PART-TARGET=([\d.]+)/g);
    expect(Math.max(...numbers(/EXTINF:([\d.]+)/g).map(Math.round))).toBeLessThanOrEqual(target!);
    expect(Math.max(...numbers(/PART:DURATION=([\d.]+)/g))).toBeLessThanOrEqual(partTarget!);
  });

  test("does not claim that segments are independent while one is not", () => {
    const window = windowOf("video");
    const playlist = playlistOf(window);
    const objects = objectsOf("video", 4);
    for (const object of objects.slice(0, 3)) window.append(object);
    playlist.restart();
    for (const object of objects.slice(3)) window.append(object);
    expect(playlist.text()).not.toContain("INDEPENDENT-SEGMENTS");
    expect(playlist.text()).toContain('#EXTINF:0.6,\n4.m4s\n#EXT-X-PART:DURATION=0.2,URI="4.3.m4s"\n');
    window.complete(4);
    expect(playlist.text()).toContain("4-3.m4s");
  });
});

describe("a reader who joins in the middle of a group", () => {
  test("gets what there is of it as one segment, whatever is in front of it", () => {
    const window = windowOf("video");
    const playlist = playlistOf(window);
    feed(window, 2, 3);
    const objects = objectsOf("video", 4);
    for (const object of objects.slice(0, 3)) window.append(object);
    expect(playlist.text()).not.toContain("\n4.m4s\n");
    playlist.restart();
    expect(playlist.text()).toContain('4.2.m4s"\n#EXTINF:0.6,\n4.m4s\n');
    for (const object of objects.slice(3)) window.append(object);
    window.complete(4);
    expect(playlist.text()).toContain("#EXTINF:0.4,\n4-3.m4s\n");
  });
});

describe("the list of what has ended", () => {
  test("says so, and has no parts", () => {
    const window = windowOf("video");
    window.prepend([3, 4].map((group) => measureGroup(window.track, group, objectsOf("video", group))!));
    window.end();
    expect(playlistOf(window).text()).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:4
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:03.000Z
#EXTINF:1,
3.m4s
#EXTINF:1,
4.m4s
#EXT-X-ENDLIST
`);
  });
});

describe("a blocking reload", () => {
  test("is answered in the call that appends the part, not before", async () => {
    const window = windowOf("video");
    const playlist = playlistOf(window);
    feed(window, 0, 3);
    const [first, second] = objectsOf("video", 4);
    const request = playlist.request({ sequence: 5, part: 1 });
    window.append(first!);
    expect(await stateOf(request)).toBe("held");
    window.append(second!);
    expect(await stateOf(request)).toBe("answered");
    expect(await request).toContain('URI="4.1.m4s"');
  });

  test("for a whole segment waits for its end", async () => {
    const window = windowOf("video");
    const playlist = playlistOf(window);
    for (const object of objectsOf("video", 4)) window.append(object);
    const request = playlist.request({ sequence: 5, part: undefined });
    expect(await stateOf(request)).toBe("held");
    window.complete(4);
    expect(await stateOf(request)).toBe("answered");
  });

  test("for a part that a closed segment never had is answered with the next part (rfc8216bis §6.2.5.2)", async () => {
    const window = windowOf("video");
    const playlist = playlistOf(window);
    feed(window, 0, 4);
    expect(await stateOf(playlist.request({ sequence: 5, part: 5 }))).toBe("answered");
  });

  test("is held while there is nothing at all", async () => {
    const window = windowOf("video");
    const request = playlistOf(window).request(undefined);
    expect(await stateOf(request)).toBe("held");
    window.append(objectsOf("video", 0)[0]!);
    expect(await stateOf(request)).toBe("answered");
  });

  test("is answered when the broadcast ends", async () => {
    const window = windowOf("video");
    feed(window, 0, 0);
    const request = playlistOf(window).request({ sequence: 9, part: 0 });
    window.end();
    expect(await request).toContain("#EXT-X-ENDLIST");
  });

  test("ends when it is canceled and when the player closes", async () => {
    const window = windowOf("video");
    const playlist = playlistOf(window);
    const abort = new AbortController();
    const one = playlist.request({ sequence: 9, part: 0 }, abort.signal);
    const other = playlist.request({ sequence: 9, part: 0 });
    abort.abort();
    await expect(one).rejects.toMatchObject({ code: "destroyed" });
    expect(await stateOf(other)).toBe("held");
    playlist.close();
    await expect(other).rejects.toMatchObject({ code: "destroyed" });
    await expect(playlist.request(undefined)).rejects.toMatchObject({ code: "destroyed" });
  });

  test("is refused when absurdly many wait", async () => {
    const playlist = playlistOf(windowOf("video"));
    const held = Array.from({ length: 16 }, () => playlist.request(undefined));
    await expect(playlist.request(undefined)).rejects.toMatchObject({ code: "limit-exceeded" });
    for (const request of held) request.catch(() => undefined);
    playlist.close();
  });
});

describe("stored groups that are put in front later", () => {
  test("appear to the next reader, not in the list that is being read", () => {
    const window = windowOf("video");
    const playlist = playlistOf(window);
    feed(window, 10, 11);
    expect(playlist.text()).toContain("MEDIA-SEQUENCE:11");
    window.prepend([measureGroup(window.track, 9, objectsOf("video", 9))!]);
    expect(playlist.text()).toContain("MEDIA-SEQUENCE:11");
    playlist.restart();
    expect(playlist.text()).toContain("MEDIA-SEQUENCE:10");
  });
});
