/**
 * Noticing that a peer is gone.
 *
 * A relay that crashed says nothing, and QUIC's own idle timeout takes half a minute to conclude it (browsers do not let a page shorten it). So when a connection has been
 * silent for a while, the peer is asked something that every MOQT endpoint must refuse at once; no answer in time means that nobody is there.
 */
import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { Connection } from "./connection.ts";

/** Silence before the peer is asked. Live media come many times a second; a standby relay is asked this often, at some 60 bytes a time. */
export const LIVENESS_IDLE_MS = 1_500;

/** How long the answer may take: far above the round trips that live media are watched over. Past it: "session-closed". */
export const LIVENESS_TIMEOUT_MS = 2_500;

/**
 * Session-level tracks belong to the connection itself: a peer that does not know one answers DOES_NOT_EXIST and passes the question on to nobody
 * (draft-ietf-moq-transport-18 §3.2.2).
 */
const NO_SUCH_TRACK = trackOf(namespaceOf(".session"), "countersign-liveness");

export interface LivenessSettings {
  readonly idleMs?: number;
  readonly timeoutMs?: number;
}

/**
 * Watches until the connection ends. `receivedAtMs` tells when the last byte came; `dead` is called once, when an answer did not come. Returns what asks at once,
 * however lately the peer was heard of: for whoever has reason to think that the network is another one now.
 */
export function watchLiveness(
  connection: Connection,
  clock: Clock,
  receivedAtMs: () => number,
  dead: (error: CountersignError) => void,
  settings: LivenessSettings = {},
): () => void {
  const { idleMs = LIVENESS_IDLE_MS, timeoutMs = LIVENESS_TIMEOUT_MS } = settings;
  let stopTimer: () => void;
  let over = false;
  let asking = false;
  void connection.closed.then(() => {
    over = true;
    stopTimer();
  });

  const arm = (delayMs: number, step: () => void): void => {
    stopTimer = clock.setTimer(delayMs, () => {
      if (!over) step();
    });
  };
  const watch = (): void => {
    const leftMs = receivedAtMs() + idleMs - clock.now();
    if (leftMs > 0) arm(leftMs, watch);
    else ask();
  };
  const ask = (): void => {
    const askedAtMs = clock.now();
    asking = true;
    // Whatever the answer is, it is one; that it came shows in receivedAtMs.
    connection.trackStatus(NO_SUCH_TRACK).catch(() => undefined);
    arm(timeoutMs, () => {
      asking = false;
      if (receivedAtMs() >= askedAtMs) watch();
      else {
        dead(
          new CountersignError("session-closed", "The peer stopped answering.", {
            peer: connection.url,
            hint: "It is dialed again by itself; check that it runs.",
          }),
        );
      }
    });
  };
  arm(idleMs, watch);
  return () => {
    if (over || asking) return;
    stopTimer();
    ask();
  };
}
