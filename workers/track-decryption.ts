/** Decryption where the tracks of a broadcast are put together: whose keys, for which track, for live objects and for stored ones. */
import type { Clock } from "../src/clock.ts";
import { CountersignError, toCountersignError } from "../src/errors.ts";
import type { PlayableTrack } from "../src/playback/types.ts";
import type { OpenOptions, PageApi } from "../src/rpc/protocol.ts";
import type { KeyProvider } from "../src/trust/secure-objects/track-keys.ts";
import { TrackOpener } from "../src/trust/secure-objects/track-opener.ts";
import type { Verified } from "../src/trust/types.ts";
import { type Namespace, trackOf } from "../src/wire/names.ts";
import type { MoqObject } from "../src/wire/objects.ts";

/** What the app gave to decrypt with. */
export interface Decryption {
  readonly broadcast: readonly string[];
  /** Undefined: nothing. */
  readonly provider: KeyProvider | undefined;
  /** How long the app may take to give a key. */
  readonly timeoutMs: number;
}

export const NO_DECRYPTION: Decryption = { broadcast: [], provider: undefined, timeoutMs: 0 };

export function decryptionOf({ broadcast, encryption }: OpenOptions, page: PageApi | undefined): Decryption {
  if (!encryption || !page) return { ...NO_DECRYPTION, broadcast };
  return { broadcast, provider: (request) => page.key(request), timeoutMs: encryption.keyTimeoutMs };
}

/** Undefined for a track that is not encrypted. */
export function openerOf(
  playable: PlayableTrack,
  namespace: Namespace,
  { broadcast, provider, timeoutMs }: Decryption,
  clock: Clock,
): TrackOpener | undefined {
  const { name, encryption } = playable;
  if (!encryption) return undefined;
  const { suite, catalogKeyId } = encryption;
  const request = { broadcast, track: name, ...(catalogKeyId !== undefined && { catalogKeyId }) };
  return new TrackOpener({ track: trackOf(namespace, name), suite, request, provider, timeoutMs, clock });
}

export interface OpenAllOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Why the objects cannot be opened at present; undefined when they could. */
  readonly onTrouble: (error: CountersignError | undefined) => void;
}

/**
 * The objects of a stored group, opened, up to the first that cannot be: what follows it could not be decoded. Waits for keys that are late, until the signal is aborted.
 * Rejects with what {@link TrackOpener.open} rejects with when that is the first object, or with the signal's reason.
 */
export async function openAll(
  opener: TrackOpener,
  objects: readonly Verified<MoqObject>[],
  { clock, signal, onTrouble }: OpenAllOptions,
): Promise<readonly Verified<MoqObject>[]> {
  for (;;) {
    const results = await Promise.all(objects.map((object) => opener.open(object).catch(asError)));
    signal.throwIfAborted();
    const failed = results.findIndex((result) => result instanceof CountersignError);
    const failure = results[failed];
    if (!(failure instanceof CountersignError)) {
      onTrouble(undefined);
      return results as readonly Verified<MoqObject>[];
    }
    onTrouble(failure);
    const late = failure.code === "key-unavailable" && failure.retryAfterMs !== undefined;
    if (late) await pause(clock, failure.retryAfterMs ?? 0, signal);
    else if (failed > 0) return results.slice(0, failed) as readonly Verified<MoqObject>[];
    else throw failure;
  }
}

function asError(thrown: unknown): CountersignError {
  return toCountersignError(thrown, "decryption-failed");
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = clock.setTimer(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
