/** Our side of a subscription on which we publish: a SUBSCRIBE of the peer or a PUBLISH of ours. */
import { CountersignError } from "../errors.ts";
import { largerOf, passes, UNFILTERED } from "../session/filters.ts";
import type { RequestEnd, StreamHandle } from "../session/types.ts";
import { publishDoneCodes, streamResets } from "../wire/codes.ts";
import type {
  KeyValue,
  Parameters,
  RequestErrorMessage,
  RequestOkMessage,
  SubscriptionFilter,
} from "../wire/messages.ts";
import { compareLocations, type Location } from "../wire/names.ts";
import type { MoqObject, SubgroupHeader } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { OutgoingSubgroup, PublishedTrack, SubgroupWriter } from "./connection.ts";
import { StreamWriter, sendOrder, subgroupWriter } from "./data-writers.ts";
import { deferred } from "./deferred.ts";
import { type DeliveryTimeouts, DeliveryWatch, deliveryTimeouts } from "./delivery-timeouts.ts";
import type { Host, RequestObserver } from "./host.ts";
import { failureOf, PendingUpdates } from "./own-requests.ts";
import { handled, ignore, streamErrorReason } from "./stream-errors.ts";

/** What SUBSCRIBER_PRIORITY and a publisher's priority are when nobody says (§10.2.7, §12.4). */
const DEFAULT_PRIORITY = 128;

export class PublishedTrackState implements PublishedTrack, RequestObserver {
  filter: SubscriptionFilter;
  onUpdate: ((parameters: Parameters) => void) | undefined;
  readonly #host: Host;
  readonly #stream: StreamHandle;
  readonly #largestNow: () => Location | undefined;
  readonly #cancelled = deferred<void>();
  readonly #accepted = deferred<PublishedTrack>();
  readonly #updates = new PendingUpdates();
  readonly #writers = new Set<StreamWriter>();
  #priority: number;
  #groupOrder: "ascending" | "descending";
  #largestSent: Location | undefined;
  readonly #trackProperties: readonly KeyValue[];
  readonly #extend: ((parameters: Parameters) => number | undefined) | undefined;
  readonly #watches = new Set<DeliveryWatch>();
  #subscriberTimeouts: Parameters;
  #timeouts: DeliveryTimeouts;
  #cancelExpiry: (() => void) | undefined;
  #streamCount = 0;
  #finishing = false;
  #over = false;

  constructor(
    host: Host,
    stream: StreamHandle,
    parameters: Parameters,
    largest: Location | undefined,
    options: {
      readonly largestNow?: (() => Location | undefined) | undefined;
      readonly trackProperties?: readonly KeyValue[];
      /** EXPIRES as it was sent with the answer or offer. */
      readonly expiresMs?: VarInt | undefined;
      readonly extend?: ((parameters: Parameters) => number | undefined) | undefined;
    } = {},
  ) {
    this.#host = host;
    this.#stream = stream;
    this.filter = parameters.filter ?? UNFILTERED;
    this.#priority = parameters.subscriberPriority ?? DEFAULT_PRIORITY;
    this.#groupOrder = parameters.groupOrder ?? "ascending";
    // Nobody waits for it when the peer subscribed.
    handled(this.#accepted.promise);
    this.#largestNow = () => largerOf(options.largestNow?.(), largerOf(largest, this.#largestSent));
    this.#trackProperties = options.trackProperties ?? [];
    this.#extend = options.extend;
    this.#subscriberTimeouts = parameters;
    this.#timeouts = deliveryTimeouts(parameters, this.#trackProperties);
    this.#expireAfter(Number(options.expiresMs ?? 0));
  }

  /** EXPIRES (§10.2.10): past it the subscription ends, unless it was extended. */
  #expireAfter(expiresMs: number): void {
    this.#cancelExpiry?.();
    this.#cancelExpiry = undefined;
    if (expiresMs === 0 || this.#over) return;
    this.#cancelExpiry = this.#host.clock.setTimer(expiresMs, () => {
      void this.done(publishDoneCodes.expired, "");
    });
  }

  #setTimeouts(parameters: Parameters): void {
    this.#subscriberTimeouts = { ...this.#subscriberTimeouts, ...parameters };
    this.#timeouts = deliveryTimeouts(this.#subscriberTimeouts, this.#trackProperties);
    for (const watch of this.#watches) watch.changed();
  }

  get forward(): boolean {
    return this.#host.session.publisher(this.#stream)?.forward ?? false;
  }

  get cancelled(): Promise<void> {
    return this.#cancelled.promise;
  }

  /** For PUBLISH: settles with the peer's answer. */
  get accepted(): Promise<PublishedTrack> {
    return this.#accepted.promise;
  }

  wants(location: Location): boolean {
    const view = this.#host.session.publisher(this.#stream);
    return view?.forward === true && passes(view, location);
  }

  async openSubgroup(header: OutgoingSubgroup): Promise<SubgroupWriter> {
    const view = this.#host.session.publisher(this.#stream);
    if (!view || this.#finishing) throw new CountersignError("session-closed", "The subscription is over.");
    const { codec, port } = this.#host;
    const full: SubgroupHeader = {
      trackAlias: view.trackAlias,
      group: header.group,
      subgroup: header.subgroup,
      priority: header.priority,
      hasProperties: header.hasProperties,
      endOfGroup: header.endOfGroup,
      firstObject: header.firstObject,
    };
    const head = codec.encodeSubgroupHeader(full);
    // Counted before it exists: a PUBLISH_DONE in between must not tell too few.
    this.#streamCount++;
    let writable: WritableStream<Uint8Array>;
    try {
      writable = await port.createUnidirectionalStream({
        sendOrder: sendOrder(
          this.#priority,
          header.priority ?? DEFAULT_PRIORITY,
          header.group,
          this.#groupOrder,
        ),
      });
    } catch (thrown) {
      throw new CountersignError("session-closed", "No stream can be opened for a subgroup.", {
        cause: thrown,
      });
    }
    if (this.#over) {
      handled(writable.abort(streamErrorReason(streamResets.cancelled)));
      throw new CountersignError("session-closed", "The subscription is over.");
    }
    const watch = new DeliveryWatch(
      this.#host.clock,
      () => this.#timeouts,
      () => writer.reset(streamResets["delivery-timeout"]),
    );
    const writer: StreamWriter = new StreamWriter(writable, head, () => {
      this.#writers.delete(writer);
      this.#watches.delete(watch);
      watch.stop();
    });
    this.#writers.add(writer);
    this.#watches.add(watch);
    return subgroupWriter(codec, writer, full, (object) => this.#sent(object), watch);
  }

  sendDatagram(object: MoqObject, endOfGroup: boolean): void {
    const view = this.#host.session.publisher(this.#stream);
    if (!view || this.#finishing) return;
    this.#sent(object);
    // §8: for datagrams the two timeouts mean the same.
    const { objectMs = Number.POSITIVE_INFINITY, subgroupMs = Number.POSITIVE_INFINITY } = this.#timeouts;
    const bytes = this.#host.codec.encodeDatagram(view.trackAlias, object, endOfGroup);
    this.#host.sendDatagram(bytes, Math.min(objectMs, subgroupMs));
  }

  goaway(newUri: string, timeoutMs: number): void {
    this.#host.handle({ type: "goaway", newUri, timeoutMs, stream: this.#stream });
  }

  async done(statusCode: number, reason: string): Promise<void> {
    if (this.#finishing || this.#over) return;
    this.#finishing = true;
    // §10.11: not before every stream is closed. What the application left open is incomplete, so it is reset.
    const closing: Promise<void>[] = [];
    for (const writer of [...this.#writers]) {
      if (writer.closing) closing.push(writer.closing.catch(ignore));
      else writer.reset(streamResets.cancelled);
    }
    await Promise.all(closing);
    const done = { statusCode, streamCount: this.#streamCount, reason };
    this.#host.handle({ type: "done", stream: this.#stream, done });
  }

  onAccepted(message: RequestOkMessage): void {
    const { filter, subscriberPriority, groupOrder } = message.parameters;
    this.filter = filter ?? this.filter;
    this.#priority = subscriberPriority ?? this.#priority;
    this.#groupOrder = groupOrder ?? this.#groupOrder;
    this.#setTimeouts(message.parameters);
    this.#accepted.resolve(this);
  }

  onUpdated(parameters: Parameters): void {
    const largest = this.#largestNow();
    const expiresMs = this.#cancelExpiry ? this.#extend?.(parameters) : undefined;
    if (expiresMs !== undefined) this.#expireAfter(expiresMs);
    this.#host.handle({
      type: "answer-update",
      stream: this.#stream,
      parameters: {
        ...(largest && { largestObject: largest }),
        ...(expiresMs !== undefined && { expiresMs }),
      },
    });
    this.#setTimeouts(parameters);
    this.filter = parameters.filter ?? this.filter;
    this.#priority = parameters.subscriberPriority ?? this.#priority;
    this.onUpdate?.(parameters);
  }

  onUpdateAnswered(message: RequestOkMessage | RequestErrorMessage): void {
    this.#updates.answered(message);
  }

  onEnded(end: RequestEnd): void {
    this.#over = true;
    this.#cancelExpiry?.();
    this.#accepted.reject(failureOf(end));
    this.#updates.fail(failureOf(end));
    // §5.1.1: the subscription is gone, so are its streams; those whose FIN is queued may still deliver.
    const finished = end.cause === "finished";
    for (const writer of [...this.#writers]) {
      if (!finished || !writer.closing) writer.reset(streamResets.cancelled);
    }
    this.#cancelled.resolve();
  }

  #sent(object: MoqObject): void {
    const largest = this.#largestSent;
    // A location of its own: the object would keep its payload alive.
    if (!largest || compareLocations(object, largest) > 0) {
      this.#largestSent = { group: object.group, object: object.object };
    }
  }
}
