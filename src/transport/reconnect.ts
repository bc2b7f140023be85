/**
 * A connection that is dialed again when it is lost.
 *
 * Delays grow exponentially with full jitter: each is drawn evenly between zero and the current ceiling, so that the viewers of a relay that
 * died do not return in one wave. What to do with a new connection (subscribe again, fetch what was missed) is the owner's business.
 */
import { type Clock, systemClock } from "../clock.ts";
import { CountersignError, type ErrorCode, toCountersignError } from "../errors.ts";
import type { Connection } from "./connection.ts";

/** The first ceiling: a relay that restarts at once is back within a glance. */
export const RECONNECT_BASE_MS = 250;

/** The last ceiling: a viewer who left the page open comes back within half a minute of the relay. */
export const RECONNECT_MAX_MS = 30_000;

/** A connection that lived this long was a good one: the next delay starts at the base again. Shorter ones count as failures, or a relay that drops everyone at once would be dialed without pause. */
export const RECONNECT_STABLE_MS = 5_000;

export type ReconnectState =
  | {
      readonly kind: "connecting" /** 1 for the first dial, then counting failures in a row. */;
      readonly attempt: number;
    }
  | { readonly kind: "open"; readonly connection: Connection }
  | {
      readonly kind: "backing-off";
      readonly delayMs: number;
      /** Why the last dial or connection ended; absent when the peer closed it without an error. */
      readonly error: CountersignError | undefined;
    }
  /** Over for good: by close(), or because dialing again cannot help. */
  | { readonly kind: "closed"; readonly error: CountersignError | undefined };

export interface KeepConnectedOptions {
  /** One dial, e.g. `(signal) => connect(dial, { url, signal })`. */
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  /** Told of each state, beginning with "connecting" (within the call to keepConnected). */
  readonly onState: (state: ReconnectState) => void;
  readonly clock?: Clock;
  /** Evenly distributed in [0, 1). */
  readonly random?: () => number;
  readonly baseMs?: number;
  readonly maxMs?: number;
}

export interface PersistentConnection {
  readonly state: ReconnectState;
  /** The open connection, when there is one. */
  readonly connection: Connection | undefined;
  /** Skips the rest of a back-off: the network came back, the user asked. */
  retryNow(): void;
  /** Ends the connection, or the attempts to get one. */
  close(code?: number, reason?: string): void;
}

/** Errors that the next dial would meet as well. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  "address-invalid",
  "invalid-options",
  "webtransport-unavailable",
  "version-unsupported",
]);

/** Connects, and connects again whenever the connection ends, until close(). Never throws; failures are states. */
export function keepConnected(options: KeepConnectedOptions): PersistentConnection {
  return new Keeper(options);
}

class Keeper implements PersistentConnection {
  readonly #options: KeepConnectedOptions;
  readonly #clock: Clock;
  #state: ReconnectState = { kind: "connecting", attempt: 1 };
  #failures = 0;
  #dialing: AbortController | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(options: KeepConnectedOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    void this.#dial();
  }

  get state(): ReconnectState {
    return this.#state;
  }

  get connection(): Connection | undefined {
    return this.#state.kind === "open" ? this.#state.connection : undefined;
  }

  retryNow(): void {
    if (this.#state.kind !== "backing-off") return;
    this.#cancelTimer?.();
    void this.#dial();
  }

  close(code?: number, reason?: string): void {
    if (this.#isClosed()) return;
    const { connection } = this;
    this.#cancelTimer?.();
    this.#enter({ kind: "closed", error: undefined });
    this.#dialing?.abort(new CountersignError("session-closed", "The connection is not wanted any more."));
    connection?.close(code, reason);
  }

  #isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  #enter(state: ReconnectState): void {
    this.#state = state;
    this.#options.onState(state);
  }

  async #dial(): Promise<void> {
    const dialing = new AbortController();
    this.#dialing = dialing;
    this.#enter({ kind: "connecting", attempt: this.#failures + 1 });
    if (this.#isClosed()) return;
    let connection: Connection;
    try {
      connection = await this.#options.connect(dialing.signal);
    } catch (thrown) {
      if (!this.#isClosed()) this.#failed(toCountersignError(thrown, "connect-failed"));
      return;
    }
    if (this.#isClosed()) {
      connection.close();
      return;
    }
    const openedAt = this.#clock.now();
    this.#enter({ kind: "open", connection });
    const { error } = await connection.closed;
    if (this.#isClosed()) return;
    if (this.#clock.now() - openedAt >= RECONNECT_STABLE_MS) this.#failures = 0;
    this.#failed(error);
  }

  #failed(error: CountersignError | undefined): void {
    if (error && FINAL.has(error.code)) {
      this.#enter({ kind: "closed", error });
      return;
    }
    const { baseMs = RECONNECT_BASE_MS, maxMs = RECONNECT_MAX_MS, random = Math.random } = this.#options;
    const ceiling = Math.min(maxMs, baseMs * 2 ** this.#failures);
    this.#failures++;
    const delayMs = Math.floor(random() * ceiling);
    // Set before the listener hears of it: it may call retryNow() or close() at once.
    this.#cancelTimer = this.#clock.setTimer(delayMs, () => void this.#dial());
    this.#enter({ kind: "backing-off", delayMs, error });
  }
}
