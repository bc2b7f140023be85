/** The multivariant playlist (RFC 8216 §4.3.4): which renditions there are and which codecs they need. */
import type { PlayableTrack } from "./types.ts";

/** BANDWIDTH is mandatory (RFC 8216 §4.3.4.2); a catalog that gives no bitrate gets these. They only order renditions. */
const ASSUMED_VIDEO_BITRATE = 2_000_000;
const ASSUMED_AUDIO_BITRATE = 128_000;

const AUDIO_GROUP = "audio";

/** The folder of a track's resources, as it stands in addresses. */
export function trackFolder(name: string): string {
  // encodeURIComponent leaves dots alone, and "." and ".." as folders would be resolved away.
  return encodeURIComponent(name).replaceAll(".", "%2E");
}

/** A quoted-string may hold neither quotes nor line ends (RFC 8216 §4.2). */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\r\n]/g, " ")}"`;
}

function bitrateOf(track: PlayableTrack): number {
  return Math.round(
    track.bitrate ?? (track.role === "audio" ? ASSUMED_AUDIO_BITRATE : ASSUMED_VIDEO_BITRATE),
  );
}

/**
 * Video (or muxed) tracks become variants, lowest bitrate first; audio tracks become one group of renditions that all variants share. A broadcast
 * of audio alone has its audio tracks as variants. `startOffsetMs`: where playback begins, from the beginning of the media playlists.
 */
export function writeMultivariantPlaylist(tracks: readonly PlayableTrack[], startOffsetMs?: number): string {
  const pictures = tracks.filter((track) => track.role !== "audio");
  const audios = tracks.filter((track) => track.role === "audio");
  const lines = ["#EXTM3U", "#EXT-X-VERSION:9", "#EXT-X-INDEPENDENT-SEGMENTS"];
  // Here and not in the media playlists, so that picture and sound begin at the same place (RFC 8216 §4.3.5.2).
  if (startOffsetMs !== undefined)
    lines.push(`#EXT-X-START:TIME-OFFSET=${Math.round(startOffsetMs) / 1000},PRECISE=YES`);
  const grouped = pictures.length > 0;
  if (grouped) {
    audios.forEach((track, index) => {
      const language = track.lang === undefined ? "" : `,LANGUAGE=${quoted(track.lang)}`;
      lines.push(
        `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="${AUDIO_GROUP}",NAME=${quoted(track.name)}${language}` +
          `,DEFAULT=${index === 0 ? "YES" : "NO"},AUTOSELECT=YES,URI="${trackFolder(track.name)}/live.m3u8"`,
      );
    });
  }
  const variants = (grouped ? pictures : audios).toSorted((a, b) => bitrateOf(a) - bitrateOf(b));
  const withAudio = grouped && audios.length > 0;
  const audioBitrate = withAudio ? Math.max(...audios.map(bitrateOf)) : 0;
  for (const track of variants) {
    const codecs = new Set([track.codec, ...(withAudio ? audios.map((audio) => audio.codec) : [])]);
    const attributes = [
      `BANDWIDTH=${bitrateOf(track) + audioBitrate}`,
      `CODECS=${quoted([...codecs].join(","))}`,
    ];
    if (track.width !== undefined && track.height !== undefined) {
      attributes.push(`RESOLUTION=${track.width}x${track.height}`);
    }
    if (track.framerate !== undefined)
      attributes.push(`FRAME-RATE=${Math.round(track.framerate * 1000) / 1000}`);
    if (withAudio) attributes.push(`AUDIO="${AUDIO_GROUP}"`);
    lines.push(`#EXT-X-STREAM-INF:${attributes.join(",")}`, `${trackFolder(track.name)}/live.m3u8`);
  }
  lines.push("");
  return lines.join("\n");
}
