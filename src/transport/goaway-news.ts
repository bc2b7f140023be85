/** GOAWAY on the stream of one request (draft-18 §10.4): news for whoever made it. */
import type { Goaway } from "./connection.ts";

/** A GOAWAY on a request's stream, kept for a listener that is set only after it came: it may follow the answer in the same read. */
export class GoawayNews {
  #listener: ((goaway: Goaway) => void) | undefined;
  #untold: Goaway | undefined;

  get listener(): ((goaway: Goaway) => void) | undefined {
    return this.#listener;
  }

  set listener(listener: ((goaway: Goaway) => void) | undefined) {
    this.#listener = listener;
    const untold = this.#untold;
    if (!listener || !untold) return;
    this.#untold = undefined;
    listener(untold);
  }

  came(goaway: Goaway): void {
    if (this.#listener) this.#listener(goaway);
    else this.#untold = goaway;
  }
}
