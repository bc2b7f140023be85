/** How sessions are opened, by whoever reads only and by whoever publishes as well (connect.ts). */
import { type Clock, systemClock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import { loadMachine } from "../session/machine.ts";
import type { Role } from "../session/types.ts";
import type { MoqtCodec, Version } from "../wire/codec.ts";
import type { AuthToken } from "../wire/messages.ts";
import { loadCodec, supportedVersions } from "../wire/registry.ts";
import { type TokenProvider, tokensFor } from "./authorization.ts";
import type { Connection } from "./connection.ts";
import { Driver } from "./driver.ts";
import { CONNECT_TIMEOUT_MS, MAX_OBJECT_BYTES, REQUEST_TIMEOUT_MS, SETUP_TIMEOUT_MS } from "./limits.ts";
import { type LivenessSettings, watchLiveness } from "./liveness.ts";
import { candidates, chooseVersion, explained, mayBeAnother, mostTelling } from "./negotiation.ts";
import { connectionOver } from "./open-connection.ts";
import type { Dial, WebTransportPort } from "./port.ts";
import { readsOnly, type Serving } from "./serving.ts";
import { handled } from "./stream-errors.ts";

/** What both ends of a session can set. Every value has a default. */
export interface SessionSettings {
  /** Drafts to speak, best first; default: all we know. See negotiation.ts for what is spoken where nothing is negotiated. */
  readonly versions?: readonly Version[];
  readonly clock?: Clock;
  /** Milliseconds until SETUP came; see limits.ts for all of these. */
  readonly setupTimeoutMs?: number;
  /** Milliseconds until a request's first answer. */
  readonly requestTimeoutMs?: number;
  /** Bytes of one object's payload. */
  readonly maxObjectBytes?: number;
  /** Notice within seconds that the peer is gone, by asking when it is silent; see liveness.ts. Default: leave it to QUIC's idle timeout. */
  readonly liveness?: LivenessSettings;
  /** Asked for tokens before the session (clients) and each request of ours; see authorization.ts. Default: none are sent. */
  readonly tokens?: TokenProvider;
  /** MOQT_IMPLEMENTATION; "" sends none. */
  readonly implementation?: string;
}

export interface ConnectOptions extends SessionSettings {
  /** https: address of the relay. */
  readonly url: string;
  /** SHA-256 digests of certificates to accept (development and tests). */
  readonly certificateHashes?: readonly Uint8Array[];
  /** Milliseconds until the WebTransport session is open. */
  readonly connectTimeoutMs?: number;
  /** Tokens that authorize the session itself (SETUP), beside those that `tokens` gives. */
  readonly authorizationTokens?: readonly AuthToken[];
  /** What the peer was found to speak before: tried first where nothing is negotiated. */
  readonly spokenBefore?: Version;
  readonly signal?: AbortSignal;
}

export interface AcceptOptions extends SessionSettings {
  /** The address that was asked for; only reported. */
  readonly url?: string;
}

/** The name under which we introduce ourselves in SETUP. */
export const IMPLEMENTATION = "countersign";

/**
 * Opens a session to a relay. Without `serving` it only reads: requests of the peer are refused.
 *
 * Rejects with a CountersignError: what `dial` rejects with ("address-invalid", "connect-failed", "certificate-refused",
 * "webtransport-unavailable"), "connect-timeout", "version-unsupported", "protocol-violation", "session-closed"; or with the signal's reason.
 */
export async function dialSession(
  dial: Dial,
  options: ConnectOptions,
  serving: Serving = readsOnly,
): Promise<Connection> {
  const { url, signal, clock = systemClock, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const versions = options.versions ?? supportedVersions;
  const { spokenBefore } = options;
  const attempts = candidates(spokenBefore ? [spokenBefore, ...versions] : versions);
  signal?.throwIfAborted();
  const giveUp = new AbortController();
  const abort = () => giveUp.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const startTimer = () =>
    clock.setTimer(connectTimeoutMs, () => giveUp.abort(timeoutError(url, connectTimeoutMs)));
  let stopTimer = startTimer();
  try {
    const { certificateHashes, tokens } = options;
    const fresh = tokens
      ? await orAbort(
          tokensFor(tokens, { url, purpose: "session", refresh: false }),
          giveUp.signal,
          () => undefined,
        )
      : [];
    const authorizationTokens = [...(options.authorizationTokens ?? []), ...fresh];
    const withTokens = authorizationTokens.length > 0 ? { ...options, authorizationTokens } : options;
    const failures: CountersignError[] = [];
    for (const [index, version] of attempts.entries()) {
      if (index > 0) stopTimer = startTimer();
      const dialed = dial(
        { url, protocols: versions, ...(certificateHashes && { certificateHashes }) },
        giveUp.signal,
      );
      const port = await orAbort(dialed, giveUp.signal, (late) => late.close());
      stopTimer();
      const negotiated = Boolean(port.protocol);
      const codec = await loadCodec(chooseVersion(port, versions, version));
      try {
        return await open("client", port, codec, withTokens, serving, giveUp.signal);
      } catch (thrown) {
        const error = toCountersignError(thrown, "connect-failed");
        failures.push(explained(error, versions, negotiated));
        const last = index + 1 === attempts.length || giveUp.signal.aborted;
        if (last || negotiated || !mayBeAnother(error, versions)) throw mostTelling(failures);
      }
    }
    throw new CountersignError("invalid-options", "No MOQT version is configured.");
  } catch (thrown) {
    if (signal?.aborted) throw signal.reason;
    throw atPeer(toCountersignError(thrown, "connect-failed"), url);
  } finally {
    stopTimer();
    signal?.removeEventListener("abort", abort);
  }
}

/** Takes a WebTransport session as a server. Rejects like dialSession(), without what only dialing can meet. */
export async function acceptSession(
  port: WebTransportPort,
  options: AcceptOptions,
  serving: Serving,
): Promise<Connection> {
  const versions = options.versions ?? supportedVersions;
  const [first] = versions;
  if (first === undefined) throw new CountersignError("invalid-options", "No MOQT version is configured.");
  const codec = await loadCodec(chooseVersion(port, versions, first));
  return open("server", port, codec, options, serving, undefined);
}

async function open(
  role: Role,
  port: WebTransportPort,
  codec: MoqtCodec,
  options: SessionSettings & { readonly url?: string; readonly authorizationTokens?: readonly AuthToken[] },
  serving: Serving,
  signal: AbortSignal | undefined,
): Promise<Connection> {
  const { authorizationTokens } = options;
  const driver = new Driver(port, {
    role,
    codec,
    machine: await loadMachine(codec.capabilities),
    serving,
    clock: options.clock ?? systemClock,
    setupTimeoutMs: options.setupTimeoutMs ?? SETUP_TIMEOUT_MS,
    requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    maxObjectBytes: options.maxObjectBytes ?? MAX_OBJECT_BYTES,
    implementation: options.implementation ?? IMPLEMENTATION,
    ...(authorizationTokens && { authorizationTokens }),
  });
  const close = () => driver.handle({ type: "close", code: 0, reason: "" });
  signal?.addEventListener("abort", close, { once: true });
  try {
    const setup = await driver.start();
    const connection = connectionOver(driver, options.url ?? "", setup, serving, options.tokens);
    // Older drafts have no question that every endpoint must answer at once: there a dead peer is left to QUIC.
    if (options.liveness && codec.capabilities.sessionTracks) {
      const dead = (error: CountersignError) => driver.handle({ type: "broken", error });
      connection.probe = watchLiveness(
        connection,
        driver.clock,
        () => driver.receivedAtMs,
        dead,
        options.liveness,
      );
    }
    return connection;
  } finally {
    signal?.removeEventListener("abort", close);
  }
}

/** The error with the address it concerns: most places that make one do not know it. */
function atPeer(error: CountersignError, peer: string): CountersignError {
  if (error.peer !== undefined) return error;
  return new CountersignError(error.code, error.message, {
    ...error.toData(),
    peer,
    cause: error.cause ?? error,
  });
}

function timeoutError(url: string, timeoutMs: number): CountersignError {
  return new CountersignError("connect-timeout", `No WebTransport session within ${timeoutMs} ms.`, {
    peer: url,
    hint: "Check that the address is right and that UDP to its port is let through.",
  });
}

/** The promise, or the abort's reason when that comes first; then `late` gets what the promise may still bring. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal, late: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      reject(signal.reason);
      handled(promise.then(late));
    };
    signal.addEventListener("abort", aborted, { once: true });
    const settled = () => signal.removeEventListener("abort", aborted);
    promise.then(
      (value) => {
        settled();
        resolve(value);
      },
      (thrown: unknown) => {
        settled();
        reject(thrown);
      },
    );
  });
}
