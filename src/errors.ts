/**
 * The one error type of Countersign.
 *
 * Everything that goes wrong, whoever caused it, reaches the app as a {@link CountersignError}: a stable `code` to
 * branch on, a sentence for people (`message`), a second one that says what to do (`hint`), and, where the peer broke the
 * protocol, the protocol's own code and the section of the draft. Foreign errors (DOMException, an IndexedDB failure) are translated
 * once, where they enter.
 */

/** Stable error codes. A code is never reused for another meaning; new ones may be added in a minor version. */
export type ErrorCode =
  // The environment
  | "webtransport-unavailable"
  | "worker-failed"
  | "crypto-unavailable"
  | "media-unsupported"
  // What the app passed in
  | "invalid-options"
  // Reaching a peer
  | "address-invalid"
  | "connect-failed"
  | "certificate-refused"
  | "connect-timeout"
  | "version-unsupported"
  | "session-closed"
  | "session-going-away"
  // What a peer answered
  | "request-rejected"
  | "request-timeout"
  | "redirect-refused"
  | "unauthorized"
  | "broadcast-unknown"
  | "track-unknown"
  | "no-object-relay"
  | "no-manifest-peer"
  // What a peer sent
  | "protocol-violation"
  | "malformed-message"
  | "malformed-track"
  | "limit-exceeded"
  | "stream-reset"
  | "stream-truncated"
  // Trust
  | "catalog-malformed"
  | "timeline-unusable"
  | "manifest-malformed"
  | "manifest-bad-signature"
  | "manifest-wrong-key"
  | "manifest-key-revoked"
  | "manifest-wrong-stream"
  | "manifest-rollback"
  | "manifest-fast-forward"
  | "manifest-broken-chain"
  | "manifest-expired"
  | "manifest-equivocation"
  | "object-unsigned"
  | "object-mismatch"
  | "all-relays-lie"
  // Encryption
  | "encryption-unsupported"
  | "key-unavailable"
  | "decryption-failed"
  // Replay and storage
  | "storage-unavailable"
  | "storage-quota"
  | "storage-failed"
  | "store-corrupt"
  | "range-unavailable"
  // Playback
  | "media-error"
  | "destroyed"
  | "internal";

/** Where a protocol error came from, when it came from one. */
export interface ProtocolDetail {
  /** The numeric code the draft assigns, e.g. 0x3 for PROTOCOL_VIOLATION. */
  readonly protocolCode?: number;
  /** The clause that was broken, e.g. `draft-ietf-moq-transport-18 §1.4.3`. */
  readonly section?: string;
}

/** Where a refused request may be asked instead (draft-ietf-moq-transport-18 §10.6.1). Plain data, safe to clone. */
export interface RedirectDetail {
  /** The session to ask on; "": the one that was asked. */
  readonly connectUri: string;
  /** The track or namespace to ask for; both empty: the same as before. */
  readonly namespace: readonly Uint8Array[];
  readonly name: Uint8Array;
}

/** What a refusal says about asking again. */
export interface RetryDetail {
  /** Milliseconds after which the same request may succeed; absent: it should not be repeated. */
  readonly retryAfterMs?: number;
  readonly redirect?: RedirectDetail;
}

/** For "version-unsupported": the drafts that either side speaks, e.g. `moqt-18`. */
export interface VersionDetail {
  readonly ours: readonly string[];
  /** As far as the peer said; empty when it said nothing. */
  readonly peer: readonly string[];
}

export interface CountersignErrorOptions extends ProtocolDetail, RetryDetail {
  readonly versions?: VersionDetail;
  /** What the reader can do about it, as one sentence. */
  readonly hint?: string;
  /** The peer it concerns, as the app named it (a URL), when it concerns one. */
  readonly peer?: string;
  readonly cause?: unknown;
}

/** The shape an error has on its way between worker and page: plain data, safe to clone structurally. */
export interface ErrorData extends ProtocolDetail, RetryDetail {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly peer?: string;
  readonly versions?: VersionDetail;
}

export class CountersignError extends Error {
  override readonly name = "CountersignError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly peer: string | undefined;
  readonly protocolCode: number | undefined;
  readonly section: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly redirect: RedirectDetail | undefined;
  readonly versions: VersionDetail | undefined;

  constructor(code: ErrorCode, message: string, options: CountersignErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.peer = options.peer;
    this.protocolCode = options.protocolCode;
    this.section = options.section;
    this.retryAfterMs = options.retryAfterMs;
    this.redirect = options.redirect;
    this.versions = options.versions;
  }

  /** Plain data for postMessage, logs and the page. The cause stays behind: it may not be cloneable. */
  toData(): ErrorData {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint !== undefined && { hint: this.hint }),
      ...(this.peer !== undefined && { peer: this.peer }),
      ...(this.protocolCode !== undefined && { protocolCode: this.protocolCode }),
      ...(this.section !== undefined && { section: this.section }),
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.redirect !== undefined && { redirect: this.redirect }),
      ...(this.versions !== undefined && { versions: this.versions }),
    };
  }

  static fromData(data: ErrorData): CountersignError {
    return new CountersignError(data.code, data.message, data);
  }
}

/** Whatever was thrown, as a CountersignError: unchanged when it is one, wrapped under `fallback` when not. */
export function toCountersignError(
  thrown: unknown,
  fallback: ErrorCode,
  options: CountersignErrorOptions = {},
): CountersignError {
  if (thrown instanceof CountersignError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CountersignError(fallback, message, { ...options, cause: thrown });
}
