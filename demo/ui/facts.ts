/** "What is playing": the figures, as a list of terms. */
import type { Player, PlayerStats } from "../../src/index.ts";
import { byId, create, setText } from "../dom.ts";
import { megabytes, seconds } from "./wording.ts";

type Tone = "good" | "bad" | "warn" | "";

const TRUST: Readonly<Record<PlayerStats["trust"], readonly [string, Tone]>> = {
  waiting: ["waiting for the signer", "warn"],
  verified: ["verified", "good"],
  stale: ["stale", "warn"],
  equivocation: ["two signed truths", "bad"],
  untrusted: ["not trusted", "bad"],
};

export class Facts {
  readonly #list = byId("facts");
  readonly #values = new Map<string, HTMLElement>();

  show(player: Player, stats: PlayerStats): void {
    const [trust, tone] = TRUST[stats.trust];
    this.#set("Verification", trust, tone);
    this.#set("Latency", seconds(stats.playback.latencyMs, 2));
    this.#set("Buffered ahead", seconds(stats.playback.bufferedMs, 2));
    const stored = stats.stored.reduce((sum, range) => sum + range.endMs - range.startMs, 0);
    const storage = stats.storage;
    const where =
      storage === undefined
        ? ""
        : storage.kind === "memory"
          ? " (in memory only)"
          : ` (${megabytes(storage.bytes)})`;
    this.#set("Stored", `${seconds(stored, 0)}${where}`);
    this.#set("Objects delivered", stats.objects.delivered.toLocaleString());
    this.#set("Duplicates dropped", stats.objects.duplicate.toLocaleString());
    this.#set("Rejected", stats.objects.rejected.toLocaleString(), stats.objects.rejected > 0 ? "bad" : "");
    this.#set("Holes", stats.objects.holes.toLocaleString(), stats.objects.holes > 0 ? "warn" : "");
    this.#set("Stalls", stats.playback.stalls.toLocaleString());
    this.#set("First picture after", seconds(stats.playback.firstFrameMs, 2));
    const video = player.tracks.find((track) => track.role === "video");
    const codecs = player.tracks.map((track) => track.codec).join(", ");
    this.#set("Media", `${video?.width ? `${video.width} × ${video.height}, ` : ""}${codecs}` || "–");
  }

  #set(term: string, text: string, tone: Tone = ""): void {
    let value = this.#values.get(term);
    if (!value) {
      value = create("dd");
      value.dataset["fact"] = term;
      this.#list.append(create("dt", { text: term }), value);
      this.#values.set(term, value);
    }
    setText(value, text);
    value.dataset["tone"] = tone;
  }
}
