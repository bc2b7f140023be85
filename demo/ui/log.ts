/** "What happened": the last events, newest first, announced to screen readers. */
import { byId, create } from "../dom.ts";
import { timeOfDay } from "./wording.ts";

const MAX_ENTRIES = 40;

/** The same thing said again within this time is counted instead of repeated. */
const REPEAT_WINDOW_MS = 8000;

export type Tone = "good" | "bad" | "plain";

interface Entry {
  readonly key: string;
  readonly text: string;
  readonly label: HTMLElement;
  count: number;
  atMs: number;
}

export class EventLog {
  readonly #list = byId("log");
  readonly #recent: Entry[] = [];

  /** `key` groups repetitions; by default the text itself. */
  add(text: string, tone: Tone = "plain", key = text): void {
    const nowMs = Date.now();
    const sentence = text.charAt(0).toUpperCase() + text.slice(1);
    const known = this.#recent.find((entry) => entry.key === key && nowMs - entry.atMs < REPEAT_WINDOW_MS);
    if (known) {
      known.count += 1;
      known.atMs = nowMs;
      known.label.textContent = `${known.text} (${known.count} times)`;
      return;
    }
    const label = create("span", { text: sentence });
    const row = create("li", {}, create("time", { text: timeOfDay(nowMs) }), label);
    row.dataset["tone"] = tone;
    this.#list.prepend(row);
    this.#recent.unshift({ key, text: sentence, label, count: 1, atMs: nowMs });
    while (this.#recent.length > MAX_ENTRIES) {
      this.#recent.pop();
      this.#list.lastElementChild?.remove();
    }
  }
}
