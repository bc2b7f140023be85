/** Objects in datagrams (draft-18 §11.3): sent if they fit, received if their alias is known, lost without a word otherwise. */
import { CountersignError } from "../errors.ts";
import { streamResets } from "../wire/codes.ts";
import type { Datagram } from "../wire/objects.ts";
import type { Host } from "./host.ts";
import { handled, streamErrorReason } from "./stream-errors.ts";

export class Datagrams {
  readonly #host: Host;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #over = false;

  constructor(host: Host) {
    this.#host = host;
  }

  send(bytes: Uint8Array): void {
    const { datagrams } = this.#host.port;
    if (this.#over || bytes.byteLength > datagrams.maxDatagramSize) return;
    if (!this.#writer) {
      this.#writer = (datagrams.writable ?? datagrams.createWritable?.())?.getWriter();
      if (!this.#writer) return;
      handled(this.#writer.closed);
    }
    handled(this.#writer.write(bytes));
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
