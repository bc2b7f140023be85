/**
 * What is looked at at all: the part of a track's judge that stands before the signature check.
 *
 * Peers send the same envelope several times, junk, and envelopes of keys that are only to be introduced. The gate answers what it has an answer to, keeps each source within
 * its budget, lets equal envelopes share one judgement, and keeps those of unknown keys for a while.
 */
import type { Clock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import type { VarInt } from "../wire/varint.ts";
import { bytesKey, equalBytes, ownCopy } from "./bytes.ts";
import { JunkAccounts } from "./junk-account.ts";
import { SIGNATURE_BYTES } from "./keys.ts";
import { MAX_ENVELOPE_BYTES, MAX_PARKED, MAX_REMEMBERED_REFUSALS } from "./limits.ts";
import { sha256 } from "./short-sha256.ts";

/** What became of one envelope. */
export interface Judgement {
  readonly accepted: boolean;
  readonly error?: CountersignError;
}

const ACCEPTED: Judgement = { accepted: true };

export function refusal(error: CountersignError): Judgement {
  return { accepted: false, error };
}

/** Refusals that no later event can turn into an acceptance; they are remembered by digest. */
const FINAL: ReadonlySet<string> = new Set([
  "manifest-malformed",
  "manifest-bad-signature",
  "manifest-wrong-stream",
]);

export interface EnvelopeGateOptions {
  readonly clock: Clock;
  /** Judges an envelope that has to be looked at; resolves with the group it speaks of, rejects with the refusal. The bytes are its own to keep. */
  readonly judge: (source: string, envelope: Uint8Array, park: () => void) => Promise<VarInt>;
  readonly onRefused: (source: string, error: CountersignError) => void;
}

interface Parked {
  readonly source: string;
  readonly envelope: Uint8Array;
}

interface Judging {
  readonly envelope: Uint8Array;
  readonly judgement: Promise<Judgement>;
}

interface Accepted {
  readonly envelope: Uint8Array;
  readonly group: VarInt;
}

/** An envelope ends with its signature, so this tells good ones apart; whether the rest is the same, too, is compared. */
function endOf(envelope: Uint8Array): string {
  return bytesKey(envelope.subarray(-SIGNATURE_BYTES));
}

/** For what may be junk, where nothing is kept to compare with. */
function digestOf(envelope: Uint8Array): string {
  return bytesKey(sha256(envelope));
}

export class EnvelopeGate {
  readonly #options: EnvelopeGateOptions;
  readonly #junk: JunkAccounts;
  /** By the end of the envelope; the bytes themselves are kept as evidence anyway. */
  readonly #accepted = new Map<string, Accepted>();
  readonly #judging = new Map<string, Judging>();
  /** By digest, and only looked into when there is something: an honest peer's envelopes are not hashed here. */
  readonly #refused = new Map<string, CountersignError>();
  readonly #parked = new Map<string, Parked>();
  #closed = false;

  constructor(options: EnvelopeGateOptions) {
    this.#options = options;
    this.#junk = new JunkAccounts(options.clock);
  }

  /** Never rejects. */
  offer(source: string, envelope: Uint8Array): Promise<Judgement> {
    if (envelope.byteLength > MAX_ENVELOPE_BYTES) {
      this.#junk.charge(source);
      const message = `An envelope of ${envelope.byteLength} bytes is over the limit of ${MAX_ENVELOPE_BYTES}.`;
      return Promise.resolve(this.#refuse(source, new CountersignError("manifest-malformed", message)));
    }
    const done = this.#junk.open(source, envelope.byteLength);
    if (done === undefined) {
      const error = new CountersignError(
        "limit-exceeded",
        "This manifest peer sends more envelopes than can be judged.",
        { peer: source },
      );
      return Promise.resolve(this.#refuse(source, error));
    }
    return this.#settle(source, envelope).finally(done);
  }

  /** The source sent something else that cost a signature check for nothing. */
  charge(source: string): void {
    this.#junk.charge(source);
  }

  /** What was accepted of these groups is looked at again when it comes again. */
  forget(groups: ReadonlySet<VarInt>): void {
    for (const [end, { group }] of this.#accepted) if (groups.has(group)) this.#accepted.delete(end);
  }

  /** Statements about keys took something back: of these groups, and about the stream, nothing is decided any more. */
  reconsider(groups: ReadonlySet<VarInt>): void {
    this.forget(groups);
    for (const [id, { code }] of this.#refused)
      if (code === "manifest-wrong-stream") this.#refused.delete(id);
  }

  /** A key became known: what waits may be good now. */
  retryParked(): void {
    const waiting = [...this.#parked];
    this.#parked.clear();
    for (const [id, { source, envelope }] of waiting) {
      if (!this.#isJudging(envelope)) void this.#settle(source, envelope);
      else this.#parked.set(id, { source, envelope });
    }
  }

  close(): void {
    this.#closed = true;
    this.#parked.clear();
  }

  async #settle(source: string, envelope: Uint8Array): Promise<Judgement> {
    const end = endOf(envelope);
    const accepted = this.#accepted.get(end);
    if (accepted !== undefined && equalBytes(accepted.envelope, envelope)) return ACCEPTED;
    const remembered = this.#refused.size > 0 ? this.#refused.get(digestOf(envelope)) : undefined;
    // Whoever offers may write over its bytes meanwhile.
    const own = remembered === undefined ? ownCopy(envelope) : envelope;
    const judgement =
      remembered === undefined ? await this.#judgeOnce(source, end, own) : refusal(remembered);
    if (judgement.error === undefined || this.#closed) return judgement;
    // Parked envelopes may turn out good, and were cheap: no signature was checked.
    if (this.#parked.size === 0 || !this.#parked.has(digestOf(own))) this.#junk.charge(source);
    return this.#refuse(source, judgement.error);
  }

  #isJudging(envelope: Uint8Array): boolean {
    const running = this.#judging.get(endOf(envelope));
    return running !== undefined && equalBytes(running.envelope, envelope);
  }

  /** Two peers that send the same envelope at once share one check. */
  #judgeOnce(source: string, end: string, envelope: Uint8Array): Promise<Judgement> {
    const running = this.#judging.get(end);
    if (running !== undefined) {
      // Another envelope with the same end: one of the two is junk, and both are judged.
      return equalBytes(running.envelope, envelope) ? running.judgement : this.#judge(source, end, envelope);
    }
    const judgement = this.#judge(source, end, envelope).finally(() => this.#judging.delete(end));
    this.#judging.set(end, { envelope, judgement });
    return judgement;
  }

  async #judge(source: string, end: string, envelope: Uint8Array): Promise<Judgement> {
    try {
      const group = await this.#options.judge(source, envelope, () => this.#park(source, envelope));
      this.#accepted.set(end, { envelope, group });
      return ACCEPTED;
    } catch (thrown) {
      const error = toCountersignError(thrown, "internal");
      if (FINAL.has(error.code)) this.#rememberRefusal(digestOf(envelope), error);
      return refusal(error);
    }
  }

  #park(source: string, envelope: Uint8Array): void {
    const id = digestOf(envelope);
    this.#parked.delete(id);
    this.#parked.set(id, { source, envelope });
    if (this.#parked.size > MAX_PARKED) this.#parked.delete(this.#parked.keys().next().value!);
  }

  #rememberRefusal(id: string, error: CountersignError): void {
    this.#refused.set(id, error);
    if (this.#refused.size > MAX_REMEMBERED_REFUSALS)
      this.#refused.delete(this.#refused.keys().next().value!);
  }

  #refuse(source: string, error: CountersignError): Judgement {
    this.#options.onRefused(source, error);
    return refusal(error);
  }
}
