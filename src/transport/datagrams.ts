/** Objects in datagrams (draft-18 §11.3): sent if they fit, received if their alias is known, lost without a word otherwise. */
import { CountersignError } from "../errors.ts";
import { streamResets } from "../wire/codes.ts";
import type { Datagram } from "../wire/objects.ts";
import type { Host } from "./host.ts";
import { MAX_QUEUED_DATAGRAMS } from "./limits.ts";
import { handled, streamErrorReason } from "./stream-errors.ts";

export class Datagrams {
  readonly #host: Host;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #queue: { readonly bytes: Uint8Array; readonly expiresAtMs: number }[] = [];
  #sending = false;
  #over = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Queues a datagram. What could not be given to the transport within `maxAgeMs` is dropped (§8), and the oldest when too many wait. */
  send(bytes: Uint8Array, maxAgeMs: number): void {
    const { datagrams } = this.#host.port;
    if (this.#over || bytes.byteLength > datagrams.maxDatagramSize) return;
    if (!this.#writer) {
      this.#writer = (datagrams.writable ?? datagrams.createWritable?.())?.getWriter();
      if (!this.#writer) return;
      handled(this.#writer.closed);
    }
    this.#queue.push({ bytes, expiresAtMs: this.#host.clock.now() + maxAgeMs });
    if (this.#queue.length > MAX_QUEUED_DATAGRAMS) this.#queue.shift();
    if (!this.#sending) void this.#send(this.#writer);
  }

  /** One at a time: what the transport has taken cannot be taken back when it gets old. */
  async #send(writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    this.#sending = true;
    for (let next = this.#queue.shift(); next && !this.#over; next = this.#queue.shift()) {
      if (next.expiresAtMs < this.#host.clock.now()) continue;
      try {
        await writer.write(next.bytes);
      } catch {
        // The session ended, which is told elsewhere.
        return;
      }
    }
    this.#sending = false;
  }

  receive(bytes: Uint8Array): void {
    const datagram = this.#decode(bytes);
    if (datagram?.type !== "object") return;
    const route = this.#host.session.route(datagram.trackAlias);
    // §11.3: of an unknown alias it may be dropped, and datagrams are made to be lost.
    const sink = route.kind === "subscription" ? this.#host.observer(route.stream)?.sink : undefined;
    if (!sink) return;
    const { object } = datagram;
    const start = { group: object.group, object: object.object, payloadLength: object.payload.byteLength };
    if (object.status !== "normal" || sink.accept?.(start) !== false) sink.object(object);
  }

  #decode(bytes: Uint8Array): Datagram | undefined {
    try {
      return this.#host.codec.decodeDatagram(bytes);
    } catch (thrown) {
      if (!(thrown instanceof CountersignError)) throw thrown;
      // Without a protocol code the error condemns no more than this datagram.
      if (thrown.protocolCode !== undefined) this.#host.handle({ type: "broken", error: thrown });
      return undefined;
    }
  }

  destroy(): void {
    this.#over = true;
    if (this.#writer) handled(this.#writer.abort(streamErrorReason(streamResets["session-closed"])));
  }
}
