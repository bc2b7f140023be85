/** Buttons under the picture and keys anywhere on the page. */
import type { Player } from "../../src/index.ts";
import { byId, setText } from "../dom.ts";
import type { DvrBar } from "./dvr-bar.ts";

const BACK_MS = 10_000;

export class Controls {
  readonly #player: Player;
  readonly #video: HTMLVideoElement;
  readonly #play = byId<HTMLButtonElement>("play");
  readonly #mute = byId<HTMLButtonElement>("mute");
  readonly #live = byId<HTMLButtonElement>("live");
  readonly #start = byId<HTMLButtonElement>("start");
  /** Gone for good once the visitor has asked for sound, here or by the mute button. */
  #asked = false;

  constructor(player: Player, video: HTMLVideoElement, bar: DvrBar) {
    this.#player = player;
    this.#video = video;
    this.#start.addEventListener("click", () => this.#playWithSound());
    this.#play.addEventListener("click", () => this.#togglePlay());
    this.#mute.addEventListener("click", () => this.#toggleMute());
    this.#live.addEventListener("click", () => player.goLive());
    byId("back").addEventListener("click", () => bar.seekBy(-BACK_MS));
    byId("fullscreen").addEventListener("click", () => this.#toggleFullscreen());
    const volume = byId<HTMLInputElement>("volume");
    volume.addEventListener("input", () => {
      video.volume = Number(volume.value);
      if (video.volume > 0) this.#sound(true);
    });
    document.addEventListener("keydown", (event) => this.#onKey(event, bar));
  }

  draw(): void {
    const { paused, muted } = this.#video;
    setText(this.#play, paused ? "Play" : "Pause");
    setText(this.#mute, muted ? "Unmute" : "Mute");
    this.#mute.setAttribute("aria-pressed", String(muted));
    this.#play.setAttribute("aria-pressed", String(!paused));
    const atEdge = this.#player.state === "live";
    this.#live.dataset["atEdge"] = String(atEdge);
    setText(this.#live, atEdge ? "At the live edge" : "Go live");
    const playable = this.#player.positionMs !== undefined || this.#player.autoplayBlocked;
    this.#start.hidden = this.#asked || !playable;
  }

  #playWithSound(): void {
    this.#sound(true);
    void this.#video.play();
    this.#play.focus();
  }

  #sound(on: boolean): void {
    this.#video.muted = !on;
    if (on) this.#asked = true;
  }

  #togglePlay(): void {
    if (this.#video.paused) void this.#video.play();
    else this.#video.pause();
  }

  #toggleMute(): void {
    this.#sound(this.#video.muted);
  }

  #toggleFullscreen(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void byId("screen").requestFullscreen();
  }

  #onKey(event: KeyboardEvent, bar: DvrBar): void {
    const target = event.target as HTMLElement;
    if (
      event.defaultPrevented ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      target.closest("button, select, input, [role=slider]")
    )
      return;
    switch (event.key) {
      case " ":
      case "k":
        this.#togglePlay();
        break;
      case "m":
        this.#toggleMute();
        break;
      case "f":
        this.#toggleFullscreen();
        break;
      case "j":
      case "ArrowLeft":
        bar.seekBy(-BACK_MS);
        break;
      case "l":
        this.#player.goLive();
        break;
      default:
        return;
    }
    event.preventDefault();
  }
}
