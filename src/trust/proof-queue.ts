/**
 * Gathers envelopes that arrive together, so that one signature proves them all (signature-proof.ts).
 *
 * "Together" means within one turn of the event loop: what one read of a stream, or several streams that were readable at once, brought. Nothing waits for something that may
 * come; a lone manifest has its signature checked at once.
 */
import type { CountersignError } from "../errors.ts";
import { compareVarInt } from "../wire/varint.ts";
import type { VerificationKey } from "./keys.ts";
import { type Proof, prove, type Unproven } from "./signature-proof.ts";

interface Waiting {
  readonly item: Unproven;
  readonly resolve: (proof: Proof | CountersignError) => void;
}

export class ProofQueue {
  readonly #candidates: (kid: Uint8Array) => readonly VerificationKey[];
  #waiting: Waiting[] = [];

  constructor(candidates: (kid: Uint8Array) => readonly VerificationKey[]) {
    this.#candidates = candidates;
  }

  /** Who signed it, or why nobody did. Never rejects. */
  prove(item: Unproven): Promise<Proof | CountersignError> {
    return new Promise((resolve) => {
      this.#waiting.push({ item, resolve });
      if (this.#waiting.length === 1) queueMicrotask(() => void this.#flush());
    });
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    // Told in the order of the chain, however they came: then each is added at its end.
    if (batch.length > 1)
      batch.sort((a, b) => compareVarInt(a.item.manifest?.sequence ?? 0, b.item.manifest?.sequence ?? 0));
    const proofs = await prove(
      batch.map(({ item }) => item),
      this.#candidates,
      "A manifest",
    );
    for (const [i, { resolve }] of batch.entries()) resolve(proofs[i]!);
  }
}
