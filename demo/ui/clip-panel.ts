/** A stretch of the broadcast to keep or to save: marked where the picture is, shown on the bar, saved as a file with its proof beside it. */
import { CountersignError, type Player, type TimeRange } from "../../src/index.ts";
import { byId, setText } from "../dom.ts";
import type { DvrBar } from "./dvr-bar.ts";
import { agoInWords, megabytes, timeOfDay } from "./wording.ts";

export class ClipPanel {
  readonly #player: Player;
  readonly #bar: DvrBar;
  readonly #say: (text: string, tone: "good" | "bad" | "plain") => void;
  readonly #from = byId<HTMLButtonElement>("clip-from");
  readonly #to = byId<HTMLButtonElement>("clip-to");
  readonly #save = byId<HTMLButtonElement>("clip-save");
  readonly #keep = byId<HTMLButtonElement>("clip-keep");
  readonly #progress = byId<HTMLProgressElement>("clip-progress");
  #startMs: number | undefined;
  #endMs: number | undefined;
  #saving: AbortController | undefined;

  constructor(player: Player, bar: DvrBar, say: (text: string, tone: "good" | "bad" | "plain") => void) {
    this.#player = player;
    this.#bar = bar;
    this.#say = say;
    this.#from.addEventListener("click", () => this.#mark("start"));
    this.#to.addEventListener("click", () => this.#mark("end"));
    this.#keep.addEventListener("click", () => void this.#keepIt());
    this.#save.addEventListener("click", () => {
      if (this.#saving) this.#saving.abort();
      else void this.#saveIt();
    });
    this.#draw();
  }

  get #range(): TimeRange | undefined {
    const [startMs, endMs] = [this.#startMs, this.#endMs];
    return startMs !== undefined && endMs !== undefined && startMs < endMs ? { startMs, endMs } : undefined;
  }

  #mark(which: "start" | "end"): void {
    const { positionMs } = this.#player;
    if (positionMs === undefined) return;
    if (which === "start") this.#startMs = positionMs;
    else this.#endMs = positionMs;
    this.#draw();
  }

  #draw(): void {
    const range = this.#range;
    this.#bar.select(range);
    const epochMs = this.#player.epochMs ?? 0;
    const at = (ms: number | undefined, text: string): string =>
      ms === undefined ? text : `${text} ${timeOfDay(epochMs + ms)}`;
    setText(this.#from, at(this.#startMs, "From"));
    setText(this.#to, at(this.#endMs, "To"));
    this.#save.disabled = range === undefined;
    this.#keep.disabled = range === undefined;
    setText(
      this.#save,
      this.#saving ? "Cancel" : range ? `Save ${agoInWords(range.endMs - range.startMs)}` : "Save",
    );
    this.#progress.hidden = this.#saving === undefined;
  }

  async #keepIt(): Promise<void> {
    const range = this.#range;
    if (!range) return;
    try {
      const kept = await this.#player.keep([...(this.#player.stats?.kept ?? []), range]);
      this.#say(
        `${kept.length === 1 ? "One stretch is" : `${kept.length} stretches are`} kept in this browser`,
        "good",
      );
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  async #saveIt(): Promise<void> {
    const range = this.#range;
    if (!range) return;
    const saving = new AbortController();
    this.#saving = saving;
    this.#progress.value = 0;
    this.#draw();
    try {
      const recording = await this.#player.export({
        from: range.startMs,
        to: range.endMs,
        signal: saving.signal,
        onProgress: ({ share }) => {
          this.#progress.value = share;
        },
      });
      const name = `countersign-${new Date((this.#player.epochMs ?? 0) + recording.range.startMs)
        .toISOString()
        .slice(0, 19)
        .replaceAll(":", "-")}`;
      download(recording.file, `${name}.mp4`);
      download(recording.manifests, `${name}.manifests`);
      const holes = recording.holes.length === 0 ? "" : `, with ${recording.holes.length} holes`;
      this.#say(`Saved ${megabytes(recording.file.size)}${holes}: the film and what proves it`, "good");
    } catch (thrown) {
      if (thrown instanceof CountersignError && thrown.code === "destroyed")
        this.#say("Saving was canceled", "plain");
      else this.#fail(thrown);
    } finally {
      this.#saving = undefined;
      this.#draw();
    }
  }

  #fail(thrown: unknown): void {
    this.#say(thrown instanceof Error ? thrown.message : String(thrown), "bad");
  }
}

function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Whoever saves has taken hold of it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
