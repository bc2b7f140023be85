/** What we say on the stream of a peer's SUBSCRIBE_NAMESPACE or SUBSCRIBE_TRACKS after we have accepted it, and what we may not do after that. */
import { type FullTrackName, namespaceKey, trackKey } from "../wire/names.ts";
import type { SessionCore } from "./core.ts";
import type { SessionInput } from "./types.ts";

type Told = Extract<SessionInput, { type: "announce" | "unannounce" | "blocked" }>;

/** NAMESPACE once, NAMESPACE_DONE only behind it (§10.18), whatever the application's order; and PUBLISH_BLOCKED. */
export function tellOfPrefix(core: SessionCore, input: Told): void {
  const { stream, suffix } = input;
  const request = core.requests.get(stream);
  if (!request?.prefix || request.ours || request.phase !== "established") return;
  if (input.type === "blocked") {
    const { name } = input;
    request.told.add(trackKey({ namespace: [...request.prefix, ...suffix], name }));
    core.act({ type: "send", stream, message: { type: "publish-blocked", suffix, name } });
    return;
  }
  const key = namespaceKey(suffix);
  if (input.type === "announce") {
    if (request.told.has(key)) return;
    request.told.add(key);
    core.act({ type: "send", stream, message: { type: "namespace", suffix } });
  } else if (request.told.delete(key)) {
    core.act({ type: "send", stream, message: { type: "namespace-done", suffix } });
  }
}

/** §6.1: a track of which we have sent PUBLISH_BLOCKED is not published to the peer, as long as it has not asked for tracks anew. */
export function isBlocked(core: SessionCore, track: FullTrackName): boolean {
  const key = trackKey(track);
  for (const { ours, message, told } of core.requests.values())
    if (!ours && message.type === "subscribe-tracks" && told.has(key)) return true;
  return false;
}
