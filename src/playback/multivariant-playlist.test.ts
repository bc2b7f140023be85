import { expect, test } from "vitest";
import { GroupCutter } from "../publish/group-cutter.ts";
import { syntheticClip } from "../publish/synthetic-clip.ts";
import { fixtureOf } from "./fixture.test-data.ts";
import { trackFolder, writeMultivariantPlaylist } from "./multivariant-playlist.ts";

const { playableTrack } = fixtureOf(new GroupCutter(syntheticClip({ seconds: 16 }), { objectMs: 200 }));

test("video and audio of their own become a variant with an audio group", () => {
  expect(writeMultivariantPlaylist([playableTrack("video"), playableTrack("audio")])).toBe(`#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,URI="audio/live.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=596000,CODECS="avc1.4d401e,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=25,AUDIO="audio"
video/live.m3u8
`);
});

test("renditions are ordered by bitrate, and languages named", () => {
  const text = writeMultivariantPlaylist([
    playableTrack("video", { name: "hd", bitrate: 3_000_000, width: 1280, height: 720 }),
    playableTrack("video", { name: "sd", bitrate: 600_000 }),
    playableTrack("audio", { name: "de", lang: "de" }),
    playableTrack("audio", { name: "en", lang: "en" }),
  ]);
  expect(text.indexOf("sd/live.m3u8")).toBeLessThan(text.indexOf("hd/live.m3u8"));
  expect(text).toContain('NAME="de",LANGUAGE="de",DEFAULT=YES');
  expect(text).toContain('NAME="en",LANGUAGE="en",DEFAULT=NO');
});

test("audio alone is a variant", () => {
  expect(writeMultivariantPlaylist([playableTrack("audio")])).toContain(
    '#EXT-X-STREAM-INF:BANDWIDTH=96000,CODECS="mp4a.40.2"\naudio/live.m3u8',
  );
});

test("names of tracks cannot break out of the list or of their folder", () => {
  const text = writeMultivariantPlaylist([
    playableTrack("video", { name: ".." }),
    playableTrack("audio", { name: 'a"\n#EXT-X-ENDLIST', lang: 'x"y' }),
  ]);
  expect(text.split("\n")).toHaveLength(7);
  expect(text).toContain("\n%2E%2E/live.m3u8\n");
  expect(trackFolder("a/b")).toBe("a%2Fb");
});
