/**
 * The numbers MOQT assigns to errors, by name and back (draft-18 §15.10).
 *
 * Names are the draft's in lower case with hyphens, so that they read like our own error codes. A code that is not listed means
 * "internal-error" in its context (§14: unknown codes are legal and must not end a session); the look-ups return that.
 */

/** Why a session is closed (§3.5, §15.10.1). */
export const sessionErrors = {
  "no-error": 0x0,
  "internal-error": 0x1,
  unauthorized: 0x2,
  "protocol-violation": 0x3,
  "invalid-request-id": 0x4,
  "duplicate-track-alias": 0x5,
  "key-value-formatting-error": 0x6,
  // Drafts up to 16.
  "too-many-requests": 0x7,
  "invalid-path": 0x8,
  "malformed-path": 0x9,
  "goaway-timeout": 0x10,
  "control-message-timeout": 0x11,
  "data-stream-timeout": 0x12,
  "auth-token-cache-overflow": 0x13,
  "duplicate-auth-token-alias": 0x14,
  "version-negotiation-failed": 0x15,
  "malformed-auth-token": 0x16,
  "unknown-auth-token-alias": 0x17,
  "expired-auth-token": 0x18,
  "invalid-authority": 0x19,
  "malformed-authority": 0x1a,
  /** Draft-19. */
  "too-many-request-updates": 0x1b,
} as const;

/** Why a request is refused (§10.6.2, §15.10.2). */
export const requestErrors = {
  "internal-error": 0x0,
  unauthorized: 0x1,
  timeout: 0x2,
  "not-supported": 0x3,
  "malformed-auth-token": 0x4,
  "expired-auth-token": 0x5,
  "going-away": 0x6,
  "excessive-load": 0x9,
  "does-not-exist": 0x10,
  "invalid-range": 0x11,
  "malformed-track": 0x12,
  "duplicate-subscription": 0x19,
  uninterested: 0x20,
  "prefix-overlap": 0x30,
  "namespace-too-large": 0x31,
  "invalid-joining-request-id": 0x32,
  "unsupported-extension": 0x33,
  redirect: 0x34,
  /** Draft-19. */
  "conflicting-filters": 0x35,
  "invalid-filter": 0x36,
} as const;

/** Why a subscription ended (§10.11, §15.10.3). */
export const publishDoneCodes = {
  "internal-error": 0x0,
  unauthorized: 0x1,
  "track-ended": 0x2,
  "subscription-ended": 0x3,
  "going-away": 0x4,
  "too-far-behind": 0x5,
  expired: 0x6,
  "update-failed": 0x8,
  "excessive-load": 0x9,
  "malformed-track": 0x12,
} as const;

/** Why a stream is reset or refused (§3.3.3, §15.10.4). */
export const streamResets = {
  "internal-error": 0x0,
  cancelled: 0x1,
  "delivery-timeout": 0x2,
  "session-closed": 0x3,
  "going-away": 0x4,
  "too-far-behind": 0x5,
  "unknown-object-status": 0x6,
  "expired-auth-token": 0x7,
  "excessive-load": 0x9,
  "malformed-track": 0x12,
} as const;

export type SessionErrorName = keyof typeof sessionErrors;
export type RequestErrorName = keyof typeof requestErrors;
export type PublishDoneName = keyof typeof publishDoneCodes;
export type StreamResetName = keyof typeof streamResets;

function reverse<Name extends string>(
  table: Readonly<Record<Name, number>>,
): ReadonlyMap<number | bigint, Name> {
  return new Map((Object.keys(table) as Name[]).map((name) => [table[name], name]));
}

const sessionNames = reverse(sessionErrors);
const requestNames = reverse(requestErrors);
const publishDoneNames = reverse(publishDoneCodes);
const streamResetNames = reverse(streamResets);

/** The name of a session error; "internal-error" for any code we do not know. */
export function sessionErrorName(code: number | bigint): SessionErrorName {
  return sessionNames.get(code) ?? "internal-error";
}

/** The name of a REQUEST_ERROR code; "internal-error" for any code we do not know. */
export function requestErrorName(code: number | bigint): RequestErrorName {
  return requestNames.get(code) ?? "internal-error";
}

/** The name of a PUBLISH_DONE status; "internal-error" for any code we do not know. */
export function publishDoneName(code: number | bigint): PublishDoneName {
  return publishDoneNames.get(code) ?? "internal-error";
}

/** The name of a stream reset code; "internal-error" for any code we do not know. */
export function streamResetName(code: number | bigint): StreamResetName {
  return streamResetNames.get(code) ?? "internal-error";
}
