/**
 * Draws the moving part of the bundled clip as an ASS subtitle script (vector shapes and text, one set of events per
 * frame), which ffmpeg's `ass` filter burns into the picture. `make-clip.sh` runs it; nothing else does.
 *
 * Everything is a function of the frame number and has the period of the clip, so that the last frame leads into the
 * first one and the loop has no visible seam.
 */
import { argv, stdout } from "node:process";

const WIDTH = 640;
const HEIGHT = 360;
const FRAMES_PER_SECOND = 25;
/** One frame is exactly 4 hundredths of a second: the resolution of ASS time codes. */
const CENTISECONDS_PER_FRAME = 100 / FRAMES_PER_SECOND;
const SECONDS = Number(argv[2] ?? 16);
const FRAMES = SECONDS * FRAMES_PER_SECOND;

/** Colours as ASS wants them: blue, green, red. */
const WHITE = "FAFAF8";
const MUTED = "C9B5A0";
const TEAL = "D4EA5E";
const AMBER = "3DBEFB";

const DIAL = { x: 496, y: 148, segmentsRadius: 104, dotsRadius: 86, faceRadius: 66 };
const RAIL = { left: 48, right: 592, y: 312, bounce: 34 };

function timeCode(frame: number): string {
  const total = frame * CENTISECONDS_PER_FRAME;
  const pad = (value: number): string => String(value).padStart(2, "0");
  return `0:${pad(Math.floor(total / 6000))}:${pad(Math.floor(total / 100) % 60)}.${pad(total % 100)}`;
}

function event(from: number, to: number, layer: number, text: string): string {
  return `Dialogue: ${layer},${timeCode(from)},${timeCode(to)},S,,0,0,0,,${text}`;
}

function label(x: number, y: number, size: number, colour: string, text: string, extra = ""): string {
  return `{\\an4\\pos(${x},${y})\\fs${size}\\c&H${colour}&${extra}}${text}`;
}

/** A filled path in picture coordinates; `alpha` 0 is opaque, 255 invisible. */
function shape(path: string, colour: string, alpha: number, extra = ""): string {
  const hex = Math.round(Math.min(255, Math.max(0, alpha)))
    .toString(16)
    .padStart(2, "0");
  return `{\\an7\\pos(0,0)\\c&H${colour}&\\1a&H${hex}&${extra}\\p4}${path}{\\p0}`;
}

/** Drawing units are 1/8 pixel (`\p4`), fine enough for smooth motion. */
const units = (pixels: number): string => String(Math.round(pixels * 8));
const point = (x: number, y: number): string => `${units(x)} ${units(y)}`;

function circle(x: number, y: number, radius: number): string {
  const k = radius * 0.5523; // control point distance of a quarter circle as a cubic curve
  return [
    `m ${point(x + radius, y)}`,
    `b ${point(x + radius, y + k)} ${point(x + k, y + radius)} ${point(x, y + radius)}`,
    `b ${point(x - k, y + radius)} ${point(x - radius, y + k)} ${point(x - radius, y)}`,
    `b ${point(x - radius, y - k)} ${point(x - k, y - radius)} ${point(x, y - radius)}`,
    `b ${point(x + k, y - radius)} ${point(x + radius, y - k)} ${point(x + radius, y)}`,
  ].join(" ");
}

function rectangle(x: number, y: number, width: number, height: number): string {
  return `m ${point(x, y)} l ${point(x + width, y)} ${point(x + width, y + height)} ${point(x, y + height)}`;
}

/** A piece of a ring; angles in turns, clockwise from the top. */
function arc(x: number, y: number, radius: number, thickness: number, from: number, to: number): string {
  const steps = 8;
  const at = (turn: number, r: number): string =>
    point(x + r * Math.sin(turn * 2 * Math.PI), y - r * Math.cos(turn * 2 * Math.PI));
  const outer: string[] = [];
  const inner: string[] = [];
  for (let i = 0; i <= steps; i++) {
    const turn = from + ((to - from) * i) / steps;
    outer.push(at(turn, radius + thickness / 2));
    inner.unshift(at(turn, radius - thickness / 2));
  }
  return `m ${outer[0]} l ${[...outer.slice(1), ...inner].join(" ")}`;
}

/** What never moves: the word, the rail and its marks, the empty dial. One event for the whole clip each. */
function still(): string[] {
  const all = (layer: number, text: string): string => event(0, FRAMES, layer, text);
  const lines = [
    all(1, label(48, 72, 46, WHITE, "Countersign", "\\b1\\fsp-0.5")),
    all(1, label(49, 108, 15, MUTED, "from relays nobody has to trust")),
    all(1, shape(rectangle(RAIL.left, RAIL.y - 0.75, RAIL.right - RAIL.left, 1.5), WHITE, 150)),
    all(0, shape(circle(DIAL.x, DIAL.y, DIAL.faceRadius), "30180C", 110)),
  ];
  for (let second = 0; second <= SECONDS; second++) {
    const x = RAIL.left + ((RAIL.right - RAIL.left) * second) / SECONDS;
    lines.push(all(1, shape(rectangle(x - 0.75, RAIL.y, 1.5, second % 4 === 0 ? 10 : 6), WHITE, 110)));
    if (second % 4 === 0)
      lines.push(all(1, `{\\an8\\pos(${x},${RAIL.y + 13})\\fs12\\c&H${MUTED}&}${second} s`));
  }
  return lines;
}

function moving(frame: number): string[] {
  const second = Math.floor(frame / FRAMES_PER_SECOND);
  const inSecond = frame % FRAMES_PER_SECOND;
  const time = frame / FRAMES_PER_SECOND;
  const now = (layer: number, text: string): string => event(frame, frame + 1, layer, text);
  const pad = (value: number, length: number): string => String(value).padStart(length, "0");
  const lines: string[] = [];

  // The flash that belongs to the beep: full on the first frame of a second, gone after a quarter of it.
  const flash = Math.max(0, 1 - inSecond / 6) ** 1.6;
  if (flash > 0) {
    lines.push(
      now(
        1,
        shape(
          circle(DIAL.x, DIAL.y, DIAL.faceRadius + 4),
          AMBER,
          255 - 235 * flash,
          `\\blur${8 - 6 * flash}`,
        ),
      ),
    );
  }

  // Sixteen pieces of a ring fill once per loop; twenty-five dots run once per second.
  for (let i = 0; i < SECONDS; i++) {
    const gap = 0.006;
    const path = arc(DIAL.x, DIAL.y, DIAL.segmentsRadius, 7, i / SECONDS + gap, (i + 1) / SECONDS - gap);
    lines.push(now(2, shape(path, i <= second ? TEAL : WHITE, i <= second ? 20 : 205)));
  }
  for (let i = 0; i < FRAMES_PER_SECOND; i++) {
    const turn = (i / FRAMES_PER_SECOND) * 2 * Math.PI;
    const behind = (inSecond - i + FRAMES_PER_SECOND) % FRAMES_PER_SECOND;
    const glow = Math.max(0, 1 - behind / 10);
    const x = DIAL.x + DIAL.dotsRadius * Math.sin(turn);
    const y = DIAL.y - DIAL.dotsRadius * Math.cos(turn);
    lines.push(now(2, shape(circle(x, y, 2.4 + 2.2 * glow), glow > 0 ? AMBER : WHITE, 200 - 200 * glow)));
  }
  const numberColour = flash > 0.3 ? "20140A" : WHITE;
  lines.push(now(3, `{\\an5\\pos(${DIAL.x},${DIAL.y - 3})\\fs72\\b1\\c&H${numberColour}&}${pad(second, 2)}`));
  lines.push(
    now(
      3,
      `{\\an5\\pos(${DIAL.x},${DIAL.y + 38})\\fs12\\c&H${flash > 0.3 ? numberColour : MUTED}&}of ${SECONDS} s`,
    ),
  );

  const millis = pad(Math.round((time % 1) * 1000), 3);
  lines.push(
    now(3, label(47, 176, 54, WHITE, `00:${pad(second, 2)}.${millis}`, "\\fnDejaVu Sans Mono\\fsp-2")),
  );
  lines.push(now(3, label(49, 218, 17, TEAL, `frame ${pad(frame, 3)} / ${FRAMES}`, "\\fnDejaVu Sans Mono")));

  // The ball is the playhead: it lands on a mark with every beep.
  const x = RAIL.left + ((RAIL.right - RAIL.left) * frame) / FRAMES;
  const y = RAIL.y - 8 - RAIL.bounce * Math.abs(Math.sin(Math.PI * time));
  lines.push(now(2, shape(rectangle(RAIL.left, RAIL.y - 1.5, Math.max(0.5, x - RAIL.left), 3), TEAL, 10)));
  lines.push(now(3, shape(circle(x, y, 8), flash > 0 ? AMBER : WHITE, 0)));
  return lines;
}

const header = `[Script Info]
ScriptType: v4.00+
PlayResX: ${WIDTH}
PlayResY: ${HEIGHT}
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: S,DejaVu Sans,20,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,0,0,4,0,0,0,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
`;

const events = still();
for (let frame = 0; frame < FRAMES; frame++) events.push(...moving(frame));
stdout.write(`${header}${events.join("\n")}\n`);
