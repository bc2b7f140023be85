/** The numbers of draft-14's control messages (§9). */
import type { Answered } from "../shared-messages.ts";

export const ID = {
  subscribeUpdate: 0x02,
  subscribe: 0x03,
  subscribeOk: 0x04,
  publishNamespace: 0x06,
  publishNamespaceDone: 0x09,
  unsubscribe: 0x0a,
  publishDone: 0x0b,
  publishNamespaceCancel: 0x0c,
  trackStatus: 0x0d,
  trackStatusOk: 0x0e,
  goaway: 0x10,
  subscribeNamespace: 0x11,
  unsubscribeNamespace: 0x14,
  maxRequestId: 0x15,
  fetch: 0x16,
  fetchCancel: 0x17,
  fetchOk: 0x18,
  requestsBlocked: 0x1a,
  publish: 0x1d,
  publishOk: 0x1e,
  clientSetup: 0x20,
  serverSetup: 0x21,
} as const;

/** Answers that are no more than the request's id. */
export const PLAIN_OK = { "publish-namespace": 0x07, "subscribe-namespace": 0x12 } as const;

/** Each request has an error of its own, with a table of codes of its own; and the clause (of §9) that defines it. */
export const ERRORS: readonly (readonly [
  answered: Exclude<Answered, "subscribe-tracks" | "request-update">,
  type: number,
  section: number,
])[] = [
  ["subscribe", 0x05, 9],
  ["publish-namespace", 0x08, 25],
  ["track-status", 0x0f, 22],
  ["subscribe-namespace", 0x13, 30],
  ["fetch", 0x19, 18],
  ["publish", 0x1f, 15],
];

/** §9.3.1: drafts are 0xff000000 and their number. */
export const VERSION = 0xff00_000e;
