/** A hostile peer of drafts up to 16: all it says goes over one control stream, some of it right, some damaged; its data streams likewise. */
import type { Role } from "../../session/types.ts";
import type { BidiStream, WebTransportPort } from "../../transport/port.ts";
import { handled, ignore, StreamErrorReason } from "../../transport/stream-errors.ts";
import type { MoqtCodec, SharedControlCodec } from "../../wire/codec.ts";
import type { RequestMessage } from "../../wire/messages.ts";
import type { SharedMessage } from "../../wire/shared-messages.ts";
import type { VarInt } from "../../wire/varint.ts";
import type { Chance } from "./chance.ts";
import { datagramBytes, fetchBytes, subgroupBytes } from "./data-streams.ts";
import { concat, judge } from "./judge.ts";
import { fewValues, messageOf, REQUEST_TYPES, type Values } from "./messages.ts";
import { mutate } from "./mutate.ts";
import { answerTo, sharedMessage, withdrawal } from "./shared-messages.ts";

type Writer = WritableStreamDefaultWriter<Uint8Array>;

/** How often what is said is damaged. A control stream does not survive it, so it is seldom. */
const DAMAGED = 0.02;

export class HostileSharedPeer {
  readonly #chance: Chance;
  readonly #port: WebTransportPort;
  readonly #codec: MoqtCodec;
  readonly #shared: SharedControlCodec;
  readonly #values: Values;
  readonly #ourRole: Role;
  /** What the other side asked, by id. */
  readonly #asked = new Map<VarInt, RequestMessage["type"]>();
  #control: Writer | undefined;
  #datagrams: Writer | undefined;
  #nextId: number;

  /** `against`: the role of the end that is tested. */
  constructor(
    chance: Chance,
    port: WebTransportPort,
    codec: MoqtCodec,
    shared: SharedControlCodec,
    against: Role,
  ) {
    chance.integerBits = 62;
    this.#chance = chance;
    this.#port = port;
    this.#codec = codec;
    this.#shared = shared;
    this.#values = fewValues(chance);
    this.#ourRole = against === "client" ? "server" : "client";
    this.#nextId = this.#ourRole === "client" ? 0 : 1;
  }

  /** The control stream, whoever opens it, and SETUP, mostly with enough credit. */
  async begin(): Promise<void> {
    const stream = await (this.#ourRole === "client"
      ? this.#port.createBidirectionalStream()
      : this.#incoming());
    if (!stream) return;
    this.#control = stream.writable.getWriter();
    handled(this.#control.closed);
    void this.#read(stream.readable);
    this.#say({ type: "setup", maxRequestId: this.#chance.pick([0, 3, 1_000]) });
  }

  async #incoming(): Promise<BidiStream | undefined> {
    const reader = this.#port.incomingBidirectionalStreams.getReader();
    try {
      return (await reader.read()).value;
    } catch {
      return undefined;
    } finally {
      reader.releaseLock();
    }
  }

  async #read(readable: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = this.#shared.decoder(this.#ourRole === "client" ? "server" : "client");
    const reader = readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        decoder.push(value);
        for (let message = decoder.next(); message; message = decoder.next()) {
          if ("parameters" in message) this.#asked.set(message.requestId, message.type);
        }
      }
    } catch {
      // The stream is over.
    }
  }

  /** One deed. */
  async act(): Promise<void> {
    const chance = this.#chance;
    switch (chance.below(10)) {
      case 0:
      case 1:
      case 2:
        return this.#answer();
      case 3:
      case 4:
      case 5:
        return this.#ask();
      case 6:
        this.#say(chance.maybe() ? sharedMessage(this.#values) : withdrawal(this.#values, this.#someId()));
        return;
      case 7:
        this.#say({ type: "max-request-id", limit: chance.below(2_000) });
        return;
      case 8:
        return this.#sendData();
      default:
        this.#datagrams ??= this.#port.datagrams.writable?.getWriter();
        if (this.#datagrams)
          this.#write(this.#datagrams, datagramBytes(chance, this.#codec, this.#values.number()));
        if (chance.maybe(0.05) && this.#control) handled(this.#control.close());
    }
  }

  #someId(): VarInt {
    const known = [...this.#asked.keys()];
    return known.length > 0 && this.#chance.maybe()
      ? this.#chance.pick(known)
      : this.#chance.below(this.#nextId + 2);
  }

  #ask(): void {
    const message = messageOf(this.#values, this.#chance.pick(REQUEST_TYPES)) as RequestMessage;
    const requestId = this.#chance.maybe(0.97) ? this.#nextId : this.#chance.below(9);
    this.#nextId += 2;
    this.#say({ ...message, requestId });
  }

  #answer(): void {
    const [requestId, type] = this.#chance.pick([
      ...this.#asked,
      [this.#chance.below(9), "subscribe"] as const,
    ]);
    this.#say(answerTo(this.#values, this.#chance.maybe(0.95) ? type : "request-update", requestId));
  }

  async #sendData(): Promise<void> {
    const chance = this.#chance;
    let writer: Writer;
    try {
      writer = (await this.#port.createUnidirectionalStream()).getWriter();
    } catch {
      return;
    }
    handled(writer.closed);
    const number = this.#values.number();
    const whole = concat(
      chance.maybe(0.7)
        ? subgroupBytes(chance, this.#codec, number)
        : fetchBytes(chance, this.#codec, "ascending", this.#someId()),
    );
    this.#write(writer, chance.maybe(0.15) ? mutate(chance, whole) : whole);
    const end = chance.below(4);
    if (end < 2) writer.close().catch(ignore);
    else if (end === 2) writer.abort(new StreamErrorReason(chance.below(20))).catch(ignore);
  }

  #say(message: SharedMessage): void {
    // What the draft has no words for is not said.
    const { value } = judge(() => this.#shared.encode(message, this.#ourRole), ["invalid-options"]);
    if (!value) return;
    this.#write(this.#control, this.#chance.maybe(DAMAGED) ? mutate(this.#chance, value) : value);
  }

  #write(writer: Writer | undefined, bytes: Uint8Array): void {
    try {
      writer?.write(bytes).catch(ignore);
    } catch {
      // Node 20 fails an assertion of its own when a stream is written to that was just closed.
    }
  }
}
