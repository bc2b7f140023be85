/** The DVR bar: the past by the clock, what of it can be had from where, and where the viewer is. Drag, click or arrow keys. */
import { CountersignError, type Player, type PlayerStats, type TimeRange } from "../../src/index.ts";
import { byId, create, setText } from "../dom.ts";
import { LANES, type LaneRanges, laneRanges, marksOf, oldestOf, wordsAt } from "./dvr-ranges.ts";
import { trustText } from "./trust-lanes.ts";
import { agoInWords, timeOfDay } from "./wording.ts";

/** The bar never shows less than this, so that a broadcast that has just begun does not look like one that is over. */
const LEAST_SPAN_MS = 30_000;

/** What can be chosen to be seen at once; the rest is "everything". */
const SPANS_MS: readonly (readonly [string, number])[] = [
  ["1 min", 60_000],
  ["10 min", 600_000],
  ["1 h", 3_600_000],
  ["6 h", 21_600_000],
  ["24 h", 86_400_000],
];

const STEP_MS = 10_000;
const PAGE_MS = 60_000;

/** Closer to the edge than this counts as the edge. */
const EDGE_MS = 1500;

/** A pixel of the bar's width per mark, at least. */
const PIXELS_PER_MARK = 110;

const MOST_HOLES = 200;

export class DvrBar {
  readonly #player: Player;
  readonly #onProblem: (text: string) => void;
  readonly #bar = byId("bar");
  readonly #lanes = byId("lanes");
  readonly #head = byId("head");
  readonly #tip = byId("tip");
  readonly #scale = byId("scale");
  readonly #now = byId("scale-now");
  readonly #spans = byId("spans");
  readonly #selection = byId("selection");
  readonly #holes: TimeRange[] = [];
  readonly #spanButtons: HTMLButtonElement[] = [];
  #ranges: LaneRanges | undefined;
  /** Undefined: everything. */
  #spanMs: number | undefined;
  #startMs = 0;
  #endMs = 0;
  /** Where the pointer holds the head. */
  #draggedMs: number | undefined;
  #selected: TimeRange | undefined;
  #drawn = "";
  #marked = "";

  constructor(player: Player, onProblem: (text: string) => void) {
    this.#player = player;
    this.#onProblem = onProblem;
    this.#bar.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.#ranges === undefined) return;
      this.#bar.setPointerCapture(event.pointerId);
      this.#drag(event);
    });
    this.#bar.addEventListener("pointermove", (event) => {
      if (this.#draggedMs !== undefined) this.#drag(event);
      else this.#showTip(this.#timeAt(event));
    });
    this.#bar.addEventListener("pointerup", () => this.#drop(true));
    this.#bar.addEventListener("pointercancel", () => this.#drop(false));
    this.#bar.addEventListener("pointerleave", () => {
      if (this.#draggedMs === undefined) this.#tip.hidden = true;
    });
    this.#bar.addEventListener("keydown", (event) => this.#onKey(event));
    for (const [text, spanMs] of [...SPANS_MS, ["All", undefined] as const]) {
      const button = create("button", { text });
      button.type = "button";
      button.addEventListener("click", () => {
        this.#spanMs = spanMs;
        this.redraw();
      });
      this.#spanButtons.push(button);
      this.#spans.append(button);
    }
  }

  /** Media that turned out to be missing. */
  addHole(range: TimeRange): void {
    this.#holes.push(range);
    if (this.#holes.length > MOST_HOLES) this.#holes.shift();
  }

  /** Shows a stretch as chosen. */
  select(range: TimeRange | undefined): void {
    this.#selected = range;
    this.redraw();
  }

  seekBy(deltaMs: number): void {
    const { positionMs } = this.#player;
    if (positionMs !== undefined) this.#seekTo(positionMs + deltaMs);
  }

  redraw(): void {
    const { stats } = this.#player;
    if (stats) this.draw(stats);
  }

  draw(stats: PlayerStats): void {
    const edgeMs = stats.edgeMs ?? stats.stored.at(-1)?.endMs;
    if (edgeMs === undefined) return;
    const ranges = laneRanges(stats, this.#holes);
    this.#ranges = ranges;
    const { positionMs } = this.#player;
    if (this.#draggedMs === undefined) this.#frame(ranges, edgeMs, positionMs);
    this.#drawLanes(ranges);
    this.#drawMarks();
    setText(byId("bar-trust"), trustText(stats.trustRanges, this.#player.epochMs ?? 0));
    this.#drawHead(positionMs, edgeMs);
  }

  /** Which stretch of time the bar shows: the newest, or that around the picture. */
  #frame(ranges: LaneRanges, edgeMs: number, positionMs: number | undefined): void {
    const oldestMs = Math.min(oldestOf(ranges) ?? edgeMs, positionMs ?? edgeMs);
    const allMs = Math.max(LEAST_SPAN_MS, edgeMs - oldestMs);
    const spanMs = Math.min(this.#spanMs ?? allMs, allMs);
    const behindMs = edgeMs - (positionMs ?? edgeMs);
    this.#endMs = behindMs < spanMs * 0.9 ? edgeMs : edgeMs - behindMs + spanMs / 2;
    this.#startMs = this.#endMs - spanMs;
    const shorter = SPANS_MS.filter(([, candidate]) => candidate < allMs).length;
    this.#spans.hidden = shorter === 0;
    this.#spanButtons.forEach((button, index) => {
      const own = SPANS_MS[index]?.[1];
      button.hidden = own !== undefined && index >= shorter;
      button.setAttribute("aria-pressed", String(own === this.#spanMs));
    });
  }

  #drawLanes(ranges: LaneRanges): void {
    const marks = LANES.flatMap((lane) =>
      ranges[lane]
        .filter(({ startMs, endMs }) => endMs > this.#startMs && startMs < this.#endMs)
        .map((range) => ({ lane: lane as string, ...this.#place(range) })),
    );
    const drawn = marks
      .map(({ lane, left, width }) => `${lane}${left.toFixed(2)}+${width.toFixed(2)}`)
      .join();
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#lanes.replaceChildren(
        ...marks.map(({ lane, left, width }) => {
          const mark = create("i", { class: lane });
          mark.style.left = `${left}%`;
          mark.style.width = `${Math.max(0.15, width)}%`;
          return mark;
        }),
      );
    }
    this.#selection.hidden = this.#selected === undefined;
    if (this.#selected) {
      const { left, width } = this.#place(this.#selected);
      this.#selection.style.left = `${left}%`;
      this.#selection.style.width = `${width}%`;
    }
  }

  #drawMarks(): void {
    const epochMs = this.#player.epochMs ?? 0;
    const most = Math.max(2, Math.floor(this.#bar.clientWidth / PIXELS_PER_MARK));
    const marks = marksOf(epochMs + this.#startMs, epochMs + this.#endMs, most).map((wallMs) => ({
      text: timeOfDay(wallMs),
      left: this.#percent(wallMs - epochMs),
    }));
    const marked = marks.map(({ text, left }) => `${text}@${left.toFixed(1)}`).join();
    if (marked === this.#marked) return;
    this.#marked = marked;
    this.#scale.replaceChildren(
      ...marks
        .filter(({ left }) => left > 4 && left < 96)
        .map(({ text, left }) => {
          const mark = create("span", { text });
          mark.style.left = `${left}%`;
          return mark;
        }),
    );
  }

  #drawHead(positionMs: number | undefined, edgeMs: number): void {
    const epochMs = this.#player.epochMs ?? 0;
    const shownMs = this.#draggedMs ?? positionMs;
    this.#head.style.left = `${shownMs === undefined ? 100 : this.#percent(shownMs)}%`;
    this.#bar.dataset["live"] = String(this.#player.state === "live" && this.#draggedMs === undefined);
    if (shownMs === undefined) return;
    const text = this.#wordsFor(shownMs, edgeMs);
    setText(this.#now, `${timeOfDay(epochMs + shownMs)} · ${text}`);
    this.#bar.setAttribute(
      "aria-valuemin",
      String(Math.round((this.#ranges ? (oldestOf(this.#ranges) ?? 0) : 0) / 1000)),
    );
    this.#bar.setAttribute("aria-valuemax", String(Math.round(edgeMs / 1000)));
    this.#bar.setAttribute("aria-valuenow", String(Math.round(shownMs / 1000)));
    const what = this.#ranges ? `, ${wordsAt(this.#ranges, shownMs)}` : "";
    this.#bar.setAttribute("aria-valuetext", `${timeOfDay(epochMs + shownMs)}, ${text}${what}`);
  }

  #wordsFor(ms: number, edgeMs: number): string {
    const behindMs = edgeMs - ms;
    return behindMs < EDGE_MS ? "at the live edge" : `${agoInWords(behindMs)} behind live`;
  }

  #showTip(ms: number): void {
    if (!this.#ranges) return;
    const epochMs = this.#player.epochMs ?? 0;
    this.#tip.hidden = false;
    // Kept within the bar: half of its own width from either end.
    this.#tip.style.left = `clamp(70px, ${this.#percent(ms)}%, calc(100% - 70px))`;
    this.#tip.replaceChildren(
      create("strong", { text: timeOfDay(epochMs + ms) }),
      create("span", { text: wordsAt(this.#ranges, ms) }),
    );
  }

  #drag(event: PointerEvent): void {
    this.#draggedMs = this.#timeAt(event);
    this.#showTip(this.#draggedMs);
    this.redraw();
  }

  /** Sought once, where the head is let go: on the way there each place would be a seek of its own. */
  #drop(seeks: boolean): void {
    const target = this.#draggedMs;
    this.#draggedMs = undefined;
    this.#tip.hidden = true;
    if (seeks && target !== undefined) this.#seekTo(target);
    this.redraw();
  }

  #place({ startMs, endMs }: TimeRange): { readonly left: number; readonly width: number } {
    const left = this.#percent(startMs);
    return { left, width: this.#percent(endMs) - left };
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
    else if (event.key === "Home" && this.#ranges) this.#seekTo(oldestOf(this.#ranges) ?? 0);
    else if (event.key === "End") this.#player.goLive();
    else return;
    event.preventDefault();
  }

  #seekTo(mediaMs: number): void {
    const { stats } = this.#player;
    const edgeMs = stats?.edgeMs ?? this.#endMs;
    if (edgeMs - mediaMs < EDGE_MS && stats?.live.length) {
      this.#player.goLive();
      return;
    }
    const oldestMs = this.#ranges ? (oldestOf(this.#ranges) ?? 0) : 0;
    this.#player.seekTo(Math.max(mediaMs, oldestMs)).catch((thrown: unknown) => {
      if (thrown instanceof CountersignError && thrown.code === "destroyed") return;
      this.#onProblem(thrown instanceof Error ? thrown.message : String(thrown));
    });
  }
}
