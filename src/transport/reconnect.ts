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
  | {
      readonly kind: "open";
      readonly connection: Connection;
      /** Absent for the first connection: otherwise what lies between this one and the one before. */
      readonly resumed?: Resumed;
    }
  | {
      readonly kind: "backing-off";
      readonly delayMs: number;
      /** Why the last dial or connection ended; absent when the peer closed it without an error. */
      readonly error: CountersignError | undefined;
    }
  /** Over for good: by close(), or because dialing again cannot help. */
  | { readonly kind: "closed"; readonly error: CountersignError | undefined };

/** How a connection came to follow another one. What was missed meanwhile is the ledger's to say; nothing was if `awayMs` is 0. */
export interface Resumed {
  /** moved: the peer asked for it (GOAWAY), and the new connection was open before the old one was closed. */
  readonly cause: "lost" | "moved";
  /** Milliseconds without any connection. */
  readonly awayMs: number;
  /** Dials it took. */
  readonly attempts: number;
}

export interface KeepConnectedOptions {
  /**
   * One dial, e.g. `(signal) => connect(dial, { url, signal })`. `newUri` is the address that a GOAWAY named, "" for the usual one: redirectTarget() tells whether to
   * go there, and may reject with "redirect-refused", upon which the connection is kept for as long as the peer keeps it.
   */
  readonly connect: (signal: AbortSignal, newUri: string) => Promise<Connection>;
  /**
   * Told of each state, beginning with "connecting" (within the call to keepConnected). After a GOAWAY "open" follows upon "open": the old connection still stands
   * during the call, so that subscriptions can be moved, and is closed after it.
   */
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
  /** The network may be another one now: skips a back-off, and asks an open connection's peer whether it is still there. */
  networkChanged(): void;
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
  /** When the last connection was lost; undefined before there was one. */
  #lostAtMs: number | undefined;
  /** What the GOAWAY of a connection that ended before we had moved asked for: tried once, since the usual address sent us there. */
  #movedUri = "";
  /** Moves in a row of connections that were not stable. */
  #hastyMoves = 0;
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

  networkChanged(): void {
    this.connection?.probe?.();
    this.retryNow();
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
    const newUri = this.#movedUri;
    this.#movedUri = "";
    const attempts = this.#failures + 1;
    this.#enter({ kind: "connecting", attempt: attempts });
    if (this.#isClosed()) return;
    let connection: Connection;
    try {
      connection = await this.#options.connect(dialing.signal, newUri);
    } catch (thrown) {
      if (!this.#isClosed()) this.#failed(toCountersignError(thrown, "connect-failed"), newUri);
      return;
    }
    if (this.#isClosed()) {
      connection.close();
      return;
    }
    const lostAtMs = this.#lostAtMs;
    this.#opened(
      connection,
      lostAtMs === undefined ? undefined : { cause: "lost", awayMs: this.#clock.now() - lostAtMs, attempts },
    );
  }

  /** The connection is the one from now on. */
  #opened(connection: Connection, resumed: Resumed | undefined): void {
    const openedAtMs = this.#clock.now();
    connection.onGoaway = ({ newUri }) => void this.#move(connection, newUri, openedAtMs);
    void connection.closed.then(({ error }) => {
      if (this.connection !== connection) return;
      if (this.#clock.now() - openedAtMs >= RECONNECT_STABLE_MS) this.#failures = 0;
      this.#lostAtMs = this.#clock.now();
      this.#failed(error, "");
    });
    this.#enter({ kind: "open", connection, ...(resumed && { resumed }) });
  }

  /** Make before break (draft-18 §3.6, §10.4): the old connection serves until the new one is open, or until its peer closes it. */
  async #move(old: Connection, newUri: string, openedAtMs: number): Promise<void> {
    this.#movedUri = newUri;
    let over = false;
    let moved = false;
    const dialing = new AbortController();
    this.#dialing = dialing;
    void old.closed.then(() => {
      over = true;
      // Whatever is under way for the move ends; the connection is dialed as one that was lost.
      if (!moved)
        dialing.abort(new CountersignError("session-closed", "The connection ended before it had moved."));
    });
    // Peers that send us to each other at once would otherwise be dialed without pause.
    this.#hastyMoves = this.#clock.now() - openedAtMs < RECONNECT_STABLE_MS ? this.#hastyMoves + 1 : 0;
    if (this.#hastyMoves > 1) await this.#pause(this.#delayMs(this.#hastyMoves - 2), old);
    for (let attempts = 1; this.connection === old && !over; attempts++) {
      let connection: Connection;
      try {
        connection = await this.#options.connect(dialing.signal, newUri);
      } catch (thrown) {
        const error = toCountersignError(thrown, "connect-failed");
        if (error.code === "redirect-refused") this.#movedUri = "";
        if (FINAL.has(error.code) || error.code === "redirect-refused") return;
        await this.#pause(this.#delayMs(attempts - 1), old);
        continue;
      }
      if (this.connection !== old || over) {
        connection.close();
        return;
      }
      this.#movedUri = "";
      moved = true;
      this.#opened(connection, { cause: "moved", awayMs: 0, attempts });
      old.close();
      return;
    }
  }

  /** Resolves after a while, or when the connection ended. */
  #pause(delayMs: number, until: Connection): Promise<unknown> {
    return new Promise((resolve) => {
      const cancel = this.#clock.setTimer(delayMs, () => resolve(undefined));
      void until.closed.then((end) => {
        cancel();
        resolve(end);
      });
    });
  }

  #delayMs(failures: number): number {
    const { baseMs = RECONNECT_BASE_MS, maxMs = RECONNECT_MAX_MS, random = Math.random } = this.#options;
    return Math.floor(random() * Math.min(maxMs, baseMs * 2 ** failures));
  }

  /** A dial of `newUri` failed or a connection ended. */
  #failed(error: CountersignError | undefined, newUri: string): void {
    // What a GOAWAY named may be wrong; the usual address is tried before anything is given up.
    if (error && newUri === "" && FINAL.has(error.code)) {
      this.#enter({ kind: "closed", error });
      return;
    }
    const delayMs = this.#delayMs(this.#failures);
    this.#failures++;
    // Set before the listener hears of it: it may call retryNow() or close() at once.
    this.#cancelTimer = this.#clock.setTimer(delayMs, () => void this.#dial());
    this.#enter({ kind: "backing-off", delayMs, error });
  }
}
