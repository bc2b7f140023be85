/** What each source may cost us: a token bucket of refusals, and a cap on envelopes whose signature is being checked. */
import type { Clock } from "../clock.ts";
import {
  JUNK_BURST,
  JUNK_PER_SECOND,
  MAX_JUDGING_BYTES_PER_SOURCE,
  MAX_JUDGING_PER_SOURCE,
  MAX_JUNK_ACCOUNTS,
} from "./limits.ts";

interface Account {
  tokens: number;
  atMs: number;
  judging: number;
  judgingBytes: number;
}

export class JunkAccounts {
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Account>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether another envelope of this source is looked at. When it is, call the returned function once it was judged. */
  open(source: string, bytes: number): (() => void) | undefined {
    const account = this.#account(source);
    if (account.tokens < 1) return undefined;
    if (account.judging >= MAX_JUDGING_PER_SOURCE) return undefined;
    if (account.judgingBytes + bytes > MAX_JUDGING_BYTES_PER_SOURCE) return undefined;
    account.judging++;
    account.judgingBytes += bytes;
    return () => {
      account.judging--;
      account.judgingBytes -= bytes;
    };
  }

  /** The source sent something refused. */
  charge(source: string): void {
    // May go below zero: what was under way when the tokens ran out has to be paid for too.
    this.#account(source).tokens--;
  }

  #account(source: string): Account {
    const now = this.#clock.now();
    let account = this.#accounts.get(source);
    if (account === undefined) {
      account = { tokens: JUNK_BURST, atMs: now, judging: 0, judgingBytes: 0 };
      this.#accounts.set(source, account);
      if (this.#accounts.size > MAX_JUNK_ACCOUNTS) this.#accounts.delete(this.#accounts.keys().next().value!);
      return account;
    }
    const elapsedMs = Math.max(0, now - account.atMs);
    account.tokens = Math.min(JUNK_BURST, account.tokens + (elapsedMs * JUNK_PER_SECOND) / 1000);
    account.atMs = now;
    return account;
  }
}
