/** Delays that double up to a maximum, each spread over its upper half, so that many clients that lost one relay do not come back as one. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(firstMs: number, maxMs: number, random: () => number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  next(): number {
    const delayMs = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts++;
    return delayMs * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
