/** Our requests as promises: each class here is one request, told by the session machine how it fares. */
import { CountersignError } from "../errors.ts";
import { retryDetail } from "../session/own-requests.ts";
import type { RequestEnd, StreamHandle } from "../session/types.ts";
import { publishDoneName, streamResets } from "../wire/codes.ts";
import type {
  FetchOkMessage,
  KeyValue,
  Parameters,
  RequestErrorMessage,
  RequestOkMessage,
  SubscribeOkMessage,
} from "../wire/messages.ts";
import { type FullTrackName, type Location, type Namespace, namespaceKey } from "../wire/names.ts";
import { parseKeyValues, propertyTypes } from "../wire/properties.ts";
import { subVarInt, type VarInt } from "../wire/varint.ts";
import type {
  AnnouncedNamespace,
  FetchResult,
  ObjectSink,
  Subscription,
  SubscriptionEnd,
} from "./connection.ts";
import type { DataReceiver } from "./data-receiver.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { GoawayNews } from "./goaway-news.ts";
import type { Host, RequestObserver } from "./host.ts";
import { handled } from "./stream-errors.ts";

/** Why a request that never succeeded failed. */
export function failureOf(end: RequestEnd): CountersignError {
  return end.error ?? new CountersignError("session-closed", "The request ended before it was answered.");
}

/** Cancels the request when the signal fires. `cancelled` is called once, with the signal's reason. */
export function onAbort(signal: AbortSignal | undefined, cancelled: (reason: unknown) => void): () => void {
  if (!signal) return () => undefined;
  const abort = () => cancelled(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}

/** Updates of one request that wait for their answers, in order. */
export class PendingUpdates {
  #waiting: Deferred<void>[] = [];

  add(): Promise<void> {
    const update = deferred<void>();
    this.#waiting.push(update);
    return handled(update.promise);
  }

  answered(message: RequestOkMessage | RequestErrorMessage): void {
    if (message.type === "request-ok") {
      this.#waiting.shift()?.resolve();
      return;
    }
    // §10.9.1: one error may answer all updates that the peer had coalesced.
    this.fail(
      new CountersignError(
        "request-rejected",
        `The peer refused an update${message.reason ? `: ${message.reason}` : ""}.`,
        {
          protocolCode: Number(message.errorCode),
          section: "draft-ietf-moq-transport-18 §10.9",
          ...retryDetail(message),
        },
      ),
    );
  }

  fail(error: CountersignError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const update of waiting) update.reject(error);
  }
}

/** What both kinds of subscription on which we receive share: a SUBSCRIBE of ours and a PUBLISH we accepted. */
export class ReceivedTrack implements RequestObserver {
  readonly sink: ObjectSink;
  readonly receivers = new Set<DataReceiver>();
  readonly #host: Host;
  readonly #stream: StreamHandle;
  readonly #track: FullTrackName;
  readonly #updates = new PendingUpdates();
  readonly #ended = deferred<SubscriptionEnd>();
  readonly #goaway = new GoawayNews();
  /** DYNAMIC_GROUPS (§12.6): the publisher starts groups when asked to. */
  #dynamicGroups = false;
  #onExpires: ((expiresMs: number) => void) | undefined;
  /** EXPIRES (§10.2.10); 0: not told. */
  #expiresMs = 0;
  #over = false;

  constructor(host: Host, stream: StreamHandle, track: FullTrackName, sink: ObjectSink) {
    this.#host = host;
    this.#stream = stream;
    this.#track = track;
    this.sink = sink;
  }

  get over(): boolean {
    return this.#over;
  }

  /** The facade, once the track's alias and properties are known. */
  subscription(known: {
    trackAlias: VarInt;
    requestId: VarInt;
    largest: Location | undefined;
    trackProperties: readonly KeyValue[];
  }): Subscription {
    const goaway = this.#goaway;
    this.#dynamicGroups = hasDynamicGroups(known.trackProperties);
    return {
      track: this.#track,
      ...known,
      ended: this.#ended.promise,
      get onGoaway() {
        return goaway.listener;
      },
      set onGoaway(listener) {
        goaway.listener = listener;
      },
      update: (parameters) => this.update(parameters),
      cancel: () => this.cancel(),
    };
  }

  update(parameters: Parameters): Promise<void> {
    if (this.#over) {
      return handled(Promise.reject(new CountersignError("session-closed", "The subscription is over.")));
    }
    if (parameters.newGroupRequest !== undefined && !this.#dynamicGroups)
      return handled(Promise.reject(noDynamicGroups()));
    const answered = this.#updates.add();
    this.#host.handle({ type: "update", stream: this.#stream, parameters });
    return answered;
  }

  cancel(): void {
    this.#host.handle({ type: "cancel", stream: this.#stream, code: streamResets.cancelled });
  }

  /** Hears of each EXPIRES that the peer gives, the first one included. */
  set onExpires(listener: (expiresMs: number) => void) {
    this.#onExpires = listener;
    listener(this.#expiresMs);
  }

  protected expires(parameters: Parameters): void {
    this.#expiresMs = Number(parameters.expiresMs ?? 0);
    this.#onExpires?.(this.#expiresMs);
  }

  onUpdateAnswered(message: RequestOkMessage | RequestErrorMessage): void {
    if (message.type === "request-ok" && message.parameters.expiresMs !== undefined)
      this.expires(message.parameters);
    this.#updates.answered(message);
  }

  onGoaway(newUri: string, timeoutMs: VarInt): void {
    this.#goaway.came({ newUri, timeoutMs: Number(timeoutMs) });
  }

  onEnded(end: RequestEnd): void {
    this.#over = true;
    this.#updates.fail(end.error ?? new CountersignError("session-closed", "The subscription is over."));
    this.#ended.resolve({ reason: reasonOf(end), ...(end.error && { error: end.error }) });
  }
}

/** §10.2.13: NEW_GROUP_REQUEST may not be sent for such a track. */
export function noDynamicGroups(): CountersignError {
  return new CountersignError("invalid-options", "This track does not start groups on request.", {
    section: "draft-ietf-moq-transport-18 §10.2.13",
  });
}

/** §12.7: properties are looked for in the immutable ones as well. */
export function hasDynamicGroups(properties: readonly KeyValue[]): boolean {
  return properties.some(({ type, value }) => {
    if (type === propertyTypes.dynamicGroups) return value === 1;
    return (
      type === propertyTypes.immutableProperties &&
      value instanceof Uint8Array &&
      hasDynamicGroups(parseKeyValues(value))
    );
  });
}

function reasonOf(end: RequestEnd): string {
  if (end.done) return publishDoneName(end.done.statusCode);
  if (end.cause === "cancelled-by-us") return "cancelled";
  return end.error ? "error" : "track-ended";
}

export class OwnSubscription extends ReceivedTrack {
  readonly #accepted = deferred<Subscription>();
  readonly #requestId: () => VarInt;

  constructor(
    host: Host,
    stream: StreamHandle,
    track: FullTrackName,
    sink: ObjectSink,
    requestId: () => VarInt,
  ) {
    super(host, stream, track, sink);
    this.#requestId = requestId;
  }

  get accepted(): Promise<Subscription> {
    return this.#accepted.promise;
  }

  fail(reason: unknown): void {
    this.#accepted.reject(reason);
  }

  onAccepted(message: SubscribeOkMessage): void {
    this.expires(message.parameters);
    this.#accepted.resolve(
      this.subscription({
        trackAlias: message.trackAlias,
        requestId: this.#requestId(),
        largest: message.parameters.largestObject,
        trackProperties: message.trackProperties,
      }),
    );
  }

  override onEnded(end: RequestEnd): void {
    this.#accepted.reject(failureOf(end));
    super.onEnded(end);
  }
}

export class OwnFetch implements RequestObserver {
  readonly sink: ObjectSink;
  readonly fetchOrder: "ascending" | "descending";
  readonly receivers = new Set<DataReceiver>();
  readonly #result = deferred<FetchResult>();
  #ok: FetchOkMessage | undefined;

  constructor(sink: ObjectSink, order: "ascending" | "descending") {
    this.sink = sink;
    this.fetchOrder = order;
  }

  get result(): Promise<FetchResult> {
    return this.#result.promise;
  }

  fail(reason: unknown): void {
    this.#result.reject(reason);
  }

  onAccepted(message: FetchOkMessage): void {
    this.#ok = message;
  }

  onEnded(end: RequestEnd): void {
    if (end.cause === "finished" && this.#ok) {
      this.#result.resolve({ end: inclusiveEnd(this.#ok.end), endOfTrack: this.#ok.endOfTrack });
    } else this.#result.reject(failureOf(end));
  }
}

/** From the wire's "last object + 1, or 0 for the whole group" to the last object, or none for the whole group. */
export function inclusiveEnd(end: Location): { group: VarInt; object?: VarInt } {
  return end.object === 0 ? { group: end.group } : { group: end.group, object: subVarInt(end.object, 1) };
}

/** A request whose whole story is its answer: TRACK_STATUS. */
export class OwnQuestion implements RequestObserver {
  readonly #answer = deferred<RequestOkMessage>();

  get answer(): Promise<RequestOkMessage> {
    return this.#answer.promise;
  }

  onAccepted(message: RequestOkMessage): void {
    this.#answer.resolve(message);
  }

  onEnded(end: RequestEnd): void {
    this.#answer.reject(failureOf(end));
  }
}

/** PUBLISH_NAMESPACE. */
export class OwnAnnouncement implements RequestObserver {
  readonly #accepted = deferred<AnnouncedNamespace>();
  readonly #ended = deferred<void>();
  readonly #withdraw: () => void;
  readonly #goaway = new GoawayNews();

  constructor(host: Host, stream: StreamHandle) {
    this.#withdraw = () => host.handle({ type: "cancel", stream, code: streamResets.cancelled });
  }

  get accepted(): Promise<AnnouncedNamespace> {
    return this.#accepted.promise;
  }

  onAccepted(): void {
    const goaway = this.#goaway;
    this.#accepted.resolve({
      ended: this.#ended.promise,
      withdraw: this.#withdraw,
      get onGoaway() {
        return goaway.listener;
      },
      set onGoaway(listener) {
        goaway.listener = listener;
      },
    });
  }

  onGoaway(newUri: string, timeoutMs: VarInt): void {
    this.#goaway.came({ newUri, timeoutMs: Number(timeoutMs) });
  }

  onEnded(end: RequestEnd): void {
    this.#accepted.reject(failureOf(end));
    this.#ended.resolve();
  }
}

export interface NamespaceListener {
  added(namespace: Namespace): void;
  removed(namespace: Namespace): void;
}

/** SUBSCRIBE_NAMESPACE and SUBSCRIBE_TRACKS: a prefix and what the peer tells about it. Namespaces are handed out whole, not as suffixes. */
export class OwnPrefix implements RequestObserver {
  readonly #accepted = deferred<{ cancel(): void; ended: Promise<void> }>();
  readonly #ended = deferred<void>();
  readonly #cancel: () => void;
  readonly #prefix: Namespace;
  readonly #listener: NamespaceListener;
  readonly #blocked: ((track: FullTrackName) => void) | undefined;
  readonly #known = new Map<string, Namespace>();

  constructor(
    host: Host,
    stream: StreamHandle,
    prefix: Namespace,
    listener: NamespaceListener,
    blocked?: (track: FullTrackName) => void,
  ) {
    this.#cancel = () => host.handle({ type: "cancel", stream, code: streamResets.cancelled });
    this.#prefix = prefix;
    this.#listener = listener;
    this.#blocked = blocked;
  }

  get accepted(): Promise<{ cancel(): void; ended: Promise<void> }> {
    return this.#accepted.promise;
  }

  onAccepted(): void {
    this.#accepted.resolve({ cancel: this.#cancel, ended: this.#ended.promise });
  }

  onNamespace(added: boolean, suffix: Namespace): void {
    const key = namespaceKey(suffix);
    if (added) {
      const namespace = [...this.#prefix, ...suffix];
      this.#known.set(key, namespace);
      this.#listener.added(namespace);
      return;
    }
    const namespace = this.#known.get(key);
    this.#known.delete(key);
    if (namespace) this.#listener.removed(namespace);
  }

  onBlocked(suffix: Namespace, name: Uint8Array): void {
    this.#blocked?.({ namespace: [...this.#prefix, ...suffix], name });
  }

  onEnded(end: RequestEnd): void {
    this.#accepted.reject(failureOf(end));
    this.#ended.resolve();
  }
}
