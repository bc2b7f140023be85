/** The line of what is to be sent and needs a request id of its own: requests, updates and announcements (draft-16 §9.1). */
import { MAX_WAITING_FOR_CREDIT } from "../limits.ts";
import { overLimit } from "../violations.ts";
import type { SharedCore, Waiting } from "./core.ts";
import type { SharedRequest } from "./requests.ts";

/** Sends it as soon as the peer allows, behind what waits already. */
export function wait(core: SharedCore, item: Waiting): void {
  if (core.waiting.length >= MAX_WAITING_FOR_CREDIT) {
    throw overLimit("§10.1", "Too many requests wait for the peer to allow them.");
  }
  core.waiting.push(item);
  sendWaiting(core);
}

/** Sends what the credit is enough for, and tells the peer, once per limit, when it is not. */
export function sendWaiting(core: SharedCore): void {
  const { waiting, credit } = core;
  while (waiting.length > 0 && credit.available) waiting.shift()?.send();
  if (waiting.length === 0 || !core.peerSetup || core.blockedAt === credit.limit) return;
  core.blockedAt = credit.limit;
  core.send({ type: "requests-blocked", limit: credit.limit });
}

/** Takes a request that is over, and its updates, out of the line. */
export function stopWaiting({ waiting }: SharedCore, request: SharedRequest): void {
  for (let i = waiting.length - 1; i >= 0; i--) if (waiting[i]?.request === request) waiting.splice(i, 1);
}
