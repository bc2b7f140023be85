/** The DVR bar: what is stored, verified, buffered and missing, and where the viewer is. Drag, click or arrow keys. */
import type { Player, PlayerStats, TimeRange } from "../../src/index.ts";
import { byId, create, setText } from "../dom.ts";
import { TRUST_LANES, trustLanes, trustText } from "./trust-lanes.ts";
import { seconds, timeOfDay } from "./wording.ts";

/** The bar never shows less than this, so that a broadcast that has just begun does not look like one that is over. */
const LEAST_SPAN_MS = 30_000;

const STEP_MS = 5000;
const PAGE_MS = 30_000;

/** Closer to the edge than this counts as the edge. */
const EDGE_MS = 1500;

const LANES = ["stored", "verified", ...TRUST_LANES, "hole", "buffered"] as const;

export class Timeline {
  readonly #player: Player;
  readonly #onProblem: (text: string) => void;
  readonly #bar = byId("bar");
  readonly #lanes = byId("lanes");
  readonly #head = byId("head");
  readonly #scale = { start: byId("scale-start"), now: byId("scale-now"), end: byId("scale-end") };
  readonly #holes: TimeRange[] = [];
  #startMs = 0;
  #endMs = 0;
  #drawn = "";

  constructor(player: Player, onProblem: (text: string) => void) {
    this.#player = player;
    this.#onProblem = onProblem;
    this.#bar.addEventListener("pointerdown", (event) => {
      this.#bar.setPointerCapture(event.pointerId);
      this.#seekTo(this.#timeAt(event));
    });
    this.#bar.addEventListener("pointermove", (event) => {
      if (event.buttons === 1) this.#seekTo(this.#timeAt(event));
    });
    this.#bar.addEventListener("keydown", (event) => this.#onKey(event));
  }

  addHole(range: TimeRange): void {
    this.#holes.push(range);
    if (this.#holes.length > 100) this.#holes.shift();
  }

  /** To this media time, or to the live edge when it is that close. */
  seekBy(deltaMs: number): void {
    const { positionMs } = this.#player;
    if (positionMs !== undefined) this.#seekTo(positionMs + deltaMs);
  }

  draw(stats: PlayerStats): void {
    const edgeMs = stats.edgeMs ?? stats.stored.at(-1)?.endMs;
    const { positionMs } = this.#player;
    if (edgeMs === undefined) return;
    const first = Math.min(
      stats.stored[0]?.startMs ?? edgeMs,
      stats.verified[0]?.startMs ?? edgeMs,
      positionMs ?? edgeMs,
    );
    this.#endMs = edgeMs;
    this.#startMs = Math.min(first, edgeMs - LEAST_SPAN_MS);
    const ranges: Readonly<Record<(typeof LANES)[number], readonly TimeRange[]>> = {
      stored: stats.stored,
      verified: stats.verified,
      ...trustLanes(stats.trustRanges),
      hole: this.#holes,
      buffered: stats.playback.buffered,
    };
    const marks = LANES.flatMap((lane) =>
      ranges[lane]
        .filter((range) => range.endMs > this.#startMs)
        .map((range) => ({ lane, left: this.#percent(range.startMs), right: this.#percent(range.endMs) })),
    );
    const drawn = marks.map((mark) => `${mark.lane}${mark.left.toFixed(1)}-${mark.right.toFixed(1)}`).join();
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#lanes.replaceChildren(
        ...marks.map(({ lane, left, right }) => {
          const mark = create("i", { class: lane });
          mark.style.left = `${left}%`;
          mark.style.width = `${Math.max(0.2, right - left)}%`;
          return mark;
        }),
      );
    }
    setText(byId("bar-trust"), trustText(stats.trustRanges, this.#player.epochMs ?? 0));
    this.#drawHead(positionMs, edgeMs);
  }

  #drawHead(positionMs: number | undefined, edgeMs: number): void {
    const epochMs = this.#player.epochMs ?? 0;
    this.#head.style.left = `${positionMs === undefined ? 100 : this.#percent(positionMs)}%`;
    setText(this.#scale.start, timeOfDay(epochMs + this.#startMs));
    setText(this.#scale.end, timeOfDay(epochMs + edgeMs));
    const behindMs = positionMs === undefined ? undefined : edgeMs - positionMs;
    const text =
      behindMs === undefined
        ? ""
        : behindMs < EDGE_MS
          ? "at the live edge"
          : `${seconds(behindMs, 0)} behind live`;
    setText(this.#scale.now, text);
    this.#bar.setAttribute("aria-valuemin", String(Math.round(this.#startMs / 1000)));
    this.#bar.setAttribute("aria-valuemax", String(Math.round(edgeMs / 1000)));
    if (positionMs === undefined) return;
    this.#bar.setAttribute("aria-valuenow", String(Math.round(positionMs / 1000)));
    this.#bar.setAttribute("aria-valuetext", `${timeOfDay(epochMs + positionMs)}, ${text}`);
  }

  #percent(ms: number): number {
    const span = this.#endMs - this.#startMs || 1;
    return Math.min(100, Math.max(0, ((ms - this.#startMs) / span) * 100));
  }

  #timeAt(event: PointerEvent): number {
    const box = this.#bar.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return this.#startMs + share * (this.#endMs - this.#startMs);
  }

  #onKey(event: KeyboardEvent): void {
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: -STEP_MS,
      ArrowDown: -STEP_MS,
      ArrowRight: STEP_MS,
      ArrowUp: STEP_MS,
      PageDown: -PAGE_MS,
      PageUp: PAGE_MS,
    };
    const step = steps[event.key];
    if (step !== undefined) this.seekBy(step);
    else if (event.key === "Home") this.#seekTo(this.#startMs);
    else if (event.key === "End") this.#player.goLive();
    else return;
    event.preventDefault();
  }

  #seekTo(mediaMs: number): void {
    if (this.#endMs - mediaMs < EDGE_MS) {
      this.#player.goLive();
      return;
    }
    const target = nearestIn(this.#player.seekable, mediaMs);
    if (target === undefined) return;
    try {
      this.#player.seekToMediaTime(target);
    } catch (error) {
      this.#onProblem(error instanceof Error ? error.message : String(error));
    }
  }
}

function nearestIn(ranges: readonly TimeRange[], ms: number): number | undefined {
  let best: number | undefined;
  for (const { startMs, endMs } of ranges) {
    const inside = Math.min(Math.max(ms, startMs), endMs);
    if (best === undefined || Math.abs(inside - ms) < Math.abs(best - ms)) best = inside;
  }
  return best;
}
