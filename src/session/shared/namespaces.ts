/**
 * SUBSCRIBE_NAMESPACE of drafts 14 and 15, in both directions: what it asks for comes as PUBLISH_NAMESPACE, a request of its own, where newer drafts
 * have NAMESPACE on the stream of the question (draft-14 §9.28).
 */
import { requestErrors } from "../../wire/codes.ts";
import type { PublishNamespaceMessage } from "../../wire/messages.ts";
import { type Namespace, namespaceKey } from "../../wire/names.ts";
import type { Answer } from "../../wire/shared-messages.ts";
import { refusal } from "../filters.ts";
import { MAX_NAMESPACES_PER_REQUEST } from "../limits.ts";
import { startsWith } from "../namespaces.ts";
import type { StreamHandle } from "../types.ts";
import type { Announcement, SharedCore } from "./core.ts";
import { type SharedRequest, sameNamespace } from "./requests.ts";
import { wait } from "./waiting.ts";

/** True when a PUBLISH_NAMESPACE of the peer answers a SUBSCRIBE_NAMESPACE of ours and is dealt with. */
export function divert(core: SharedCore, { requestId, namespace }: PublishNamespaceMessage): boolean {
  if (core.capabilities.namespaceStreams) return false;
  const asked = core.requests.find(
    ({ ours, message, wireId }) =>
      ours &&
      wireId !== undefined &&
      message.type === "subscribe-namespace" &&
      startsWith(namespace, message.prefix),
  );
  if (asked?.message.type !== "subscribe-namespace") return false;
  const suffix = namespace.slice(asked.message.prefix.length).map((field) => field.slice());
  const full = core.diverted.size >= MAX_NAMESPACES_PER_REQUEST;
  const answer: Answer = full
    ? {
        type: "request-error",
        ...refusal(requestErrors["excessive-load"], "Too many namespaces are announced."),
      }
    : { type: "request-ok", parameters: {}, trackProperties: [] };
  core.answer(requestId, "publish-namespace", answer);
  // It was answered at once: nothing of it stays open but the note of it, which has a limit of its own.
  core.credit.close();
  if (full) return true;
  core.diverted.set(namespaceKey(namespace), { stream: asked.stream, suffix });
  if (asked.answered) tellNamespace(core, asked.stream, "namespace", suffix);
  else asked.early.push(suffix);
  return true;
}

/** The peer withdraws a namespace. True when it was diverted. */
export function undivert(core: SharedCore, namespace: Namespace): boolean {
  const key = namespaceKey(namespace);
  const diverted = core.diverted.get(key);
  if (!diverted) return false;
  core.diverted.delete(key);
  const asked = core.requests.at(diverted.stream);
  if (asked?.answered) tellNamespace(core, asked.stream, "namespace-done", diverted.suffix);
  else if (asked) {
    const at = asked.early.findIndex((suffix) => sameNamespace(suffix, diverted.suffix));
    if (at >= 0) asked.early.splice(at, 1);
  }
  return true;
}

/** Tells the machine what it would have heard on the stream of its question. */
export function tellNamespace(
  core: SharedCore,
  stream: StreamHandle,
  type: "namespace" | "namespace-done",
  suffix: Namespace,
): void {
  core.tellOn(stream, { type, suffix });
}

/** The machine answers a SUBSCRIBE_NAMESPACE of the peer with a namespace. */
export function announce(core: SharedCore, { message, stream }: SharedRequest, suffix: Namespace): void {
  if (!("prefix" in message)) return;
  const namespace = [...message.prefix, ...suffix];
  const key = namespaceKey(namespace);
  const published = core.requests.find(
    ({ ours, message: own }) =>
      ours && own.type === "publish-namespace" && sameNamespace(own.namespace, namespace),
  );
  // One that the application has announced itself was sent to this peer already (draft-14 §9.28).
  if (published || core.announcements.has(key)) return;
  const announcement: Announcement = { namespace, stream, wireId: undefined };
  core.announcements.set(key, announcement);
  wait(core, { request: undefined, send: () => sendAnnouncement(core, announcement) });
}

function sendAnnouncement(core: SharedCore, announcement: Announcement): void {
  const { namespace } = announcement;
  if (core.announcements.get(namespaceKey(namespace)) !== announcement) return;
  announcement.wireId = core.credit.take();
  core.send({ type: "publish-namespace", requestId: announcement.wireId, namespace, parameters: {} });
}

/** The machine takes such a namespace back. */
export function unannounce(core: SharedCore, { message, stream }: SharedRequest, suffix: Namespace): void {
  if (!("prefix" in message)) return;
  const namespace = [...message.prefix, ...suffix];
  const key = namespaceKey(namespace);
  const announcement = core.announcements.get(key);
  if (!announcement || announcement.stream !== stream) return;
  core.announcements.delete(key);
  if (announcement.wireId === undefined) return;
  core.send({ type: "withdraw", what: "publish-namespace-done", requestId: announcement.wireId, namespace });
}

/** A SUBSCRIBE_NAMESPACE is over, and with it what was noted for it. */
export function dropNamespacesOf({ diverted, announcements }: SharedCore, over: StreamHandle): void {
  for (const [key, { stream }] of diverted) if (stream === over) diverted.delete(key);
  for (const [key, { stream }] of announcements) if (stream === over) announcements.delete(key);
}
