/** A peer that knows the protocol well enough to break it anywhere: it writes streams by hand, some right, some damaged. */
import type { Role } from "../../session/types.ts";
import type { WebTransportPort } from "../../transport/port.ts";
import { handled, ignore, StreamErrorReason } from "../../transport/stream-errors.ts";
import type { MoqtCodec } from "../../wire/codec.ts";
import type { ControlMessage, RequestMessage } from "../../wire/messages.ts";
import type { Chance } from "./chance.ts";
import { datagramBytes, fetchBytes, subgroupBytes } from "./data-streams.ts";
import { concat, judge } from "./judge.ts";
import { fewValues, MESSAGE_TYPES, messageOf, REQUEST_TYPES, type Values } from "./messages.ts";
import { mutate } from "./mutate.ts";

type Writer = WritableStreamDefaultWriter<Uint8Array>;

interface Conversation {
  readonly writer: Writer;
  /** What was asked on it; undefined while unknown. */
  request: ControlMessage | undefined;
}

/** How often a stream is damaged. Most are right, or no session would live long. */
const DAMAGED = 0.15;

export class HostilePeer {
  readonly #chance: Chance;
  readonly #port: WebTransportPort;
  readonly #codec: MoqtCodec;
  readonly #values: Values;
  readonly #ourRole: Role;
  readonly #conversations: Conversation[] = [];
  readonly #data: Writer[] = [];
  #control: Writer | undefined;
  #datagrams: Writer | undefined;
  #nextId: number;

  /** `against`: the role of the end that is tested. */
  constructor(chance: Chance, port: WebTransportPort, codec: MoqtCodec, against: Role) {
    this.#chance = chance;
    this.#port = port;
    this.#codec = codec;
    this.#values = fewValues(chance, codec.capabilities.rangeFilters);
    this.#ourRole = against === "client" ? "server" : "client";
    this.#nextId = this.#ourRole === "client" ? 0 : 1;
  }

  /** SETUP, mostly, and listening to what the other side asks. */
  async begin(): Promise<void> {
    void this.#listen();
    if (this.#chance.maybe(0.5)) void this.#drain();
    if (this.#chance.maybe(0.03)) return;
    const setup = this.#codec.encodeSetup({ type: "setup" }, this.#ourRole);
    this.#control = await this.#open();
    this.#write(this.#control, this.#chance.maybe(0.96) ? setup : mutate(this.#chance, setup));
  }

  /** One deed. */
  async act(): Promise<void> {
    const chance = this.#chance;
    switch (chance.below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#answer();
      case 4:
      case 5:
      case 6:
        return this.#ask();
      case 7:
      case 8:
      case 9:
        return this.#sendData();
      case 10: {
        const writer = this.#data.splice(chance.below(this.#data.length + 1), 1)[0];
        if (writer) this.#end(writer);
        return;
      }
      case 11:
        this.#datagrams ??= this.#port.datagrams.writable?.getWriter();
        if (this.#datagrams)
          this.#write(
            this.#datagrams,
            this.#damaged(datagramBytes(chance, this.#codec, this.#values.number())),
          );
        return;
      case 12: {
        const conversation = chance.maybe() ? undefined : this.#conversations.at(-1);
        if (conversation) this.#end(conversation.writer);
        return;
      }
      default: {
        if (!this.#control || chance.maybe(0.7)) return;
        const type = chance.maybe(0.8) ? "goaway" : chance.pick(MESSAGE_TYPES);
        this.#write(this.#control, this.#encode(messageOf(this.#values, type)));
        if (chance.maybe(0.1)) this.#end(this.#control);
        else if (chance.maybe(0.05)) this.#port.close({ closeCode: chance.below(40), reason: "enough" });
      }
    }
  }

  async #listen(): Promise<void> {
    const reader = this.#port.incomingBidirectionalStreams.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const conversation: Conversation = { writer: value.writable.getWriter(), request: undefined };
        handled(conversation.writer.closed);
        this.#conversations.push(conversation);
        void this.#read(value.readable, conversation);
      }
    } catch {
      // The session is over.
    }
  }

  async #read(readable: ReadableStream<Uint8Array>, conversation: Conversation): Promise<void> {
    const decoder = this.#codec.controlDecoder("request");
    const reader = readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        decoder.push(value);
        for (let message = decoder.next(); message; message = decoder.next())
          conversation.request ??= message;
      }
    } catch {
      // The stream is over.
    }
  }

  /** Reads the other side's data streams, so that it can go on sending. */
  async #drain(): Promise<void> {
    const reader = this.#port.incomingUnidirectionalStreams.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        if (this.#chance.maybe(0.1)) handled(value.cancel(new StreamErrorReason(1)));
        else handled(value.pipeTo(new WritableStream()));
      }
    } catch {
      // The session is over.
    }
  }

  async #open(): Promise<Writer | undefined> {
    try {
      const writer = (await this.#port.createUnidirectionalStream()).getWriter();
      handled(writer.closed);
      return writer;
    } catch {
      return undefined;
    }
  }

  async #ask(): Promise<void> {
    const { readable, writable } = await this.#port
      .createBidirectionalStream()
      .catch(() => ({ readable: undefined, writable: undefined }));
    if (!writable) return;
    const type = this.#chance.maybe(0.97)
      ? this.#chance.pick(REQUEST_TYPES)
      : this.#chance.pick(MESSAGE_TYPES);
    const message = this.#withId(messageOf(this.#values, type));
    const conversation: Conversation = { writer: writable.getWriter(), request: message };
    handled(conversation.writer.closed);
    this.#conversations.push(conversation);
    handled(readable.pipeTo(new WritableStream()));
    this.#write(conversation.writer, this.#encode(message));
  }

  #withId<M extends ControlMessage>(message: M): M {
    if (!("requestId" in message) || message.type === "goaway") return message;
    const requestId = this.#chance.maybe(0.97) ? this.#nextId : this.#chance.below(9);
    this.#nextId += 2;
    return { ...message, requestId };
  }

  #answer(): void {
    const chance = this.#chance;
    if (this.#conversations.length === 0) return;
    const { writer, request } = chance.pick(this.#conversations);
    const fitting = answers[request?.type as RequestMessage["type"]] ?? ["request-ok"];
    const type = chance.maybe(0.9) ? chance.pick(fitting) : chance.pick(MESSAGE_TYPES);
    let message = this.#withId(messageOf(this.#values, type));
    if (message.type === "request-ok" && chance.maybe(0.8))
      message = { ...message, parameters: {}, trackProperties: [] };
    this.#write(writer, this.#encode(message));
    if (chance.maybe(0.1)) this.#end(writer);
  }

  async #sendData(): Promise<void> {
    const chance = this.#chance;
    const writer = await this.#open();
    if (!writer) return;
    const number = this.#values.number();
    const parts = chance.maybe(0.7)
      ? subgroupBytes(chance, this.#codec, number)
      : fetchBytes(chance, this.#codec, "ascending", number);
    const bytes = this.#damaged(concat(parts));
    for (const piece of chance.maybe() ? chance.cut(bytes, 300) : [bytes]) this.#write(writer, piece);
    if (chance.maybe(0.6)) this.#end(writer);
    else this.#data.push(writer);
  }

  /** Without its parameters, where the draft has no place for one of them. */
  #encodable(message: ControlMessage): Uint8Array {
    const { value } = judge(() => this.#codec.encodeMessage(message), ["invalid-options"]);
    return value ?? this.#codec.encodeMessage({ ...message, parameters: {} } as ControlMessage);
  }

  #encode(message: ControlMessage): Uint8Array {
    // As a client, whatever it is: a server that names a path is as hostile as it gets.
    const bytes =
      message.type === "setup" ? this.#codec.encodeSetup(message, "client") : this.#encodable(message);
    return this.#damaged(bytes);
  }

  #damaged(bytes: Uint8Array): Uint8Array {
    return this.#chance.maybe(DAMAGED) ? mutate(this.#chance, bytes) : bytes;
  }

  #write(writer: Writer | undefined, bytes: Uint8Array): void {
    try {
      writer?.write(bytes).catch(ignore);
    } catch {
      // Node 20 fails an assertion of its own when a stream is written to that was just closed.
    }
  }

  #end(writer: Writer): void {
    if (this.#chance.maybe()) writer.close().catch(ignore);
    else writer.abort(new StreamErrorReason(this.#chance.below(20))).catch(ignore);
  }
}

const answers: Readonly<Record<RequestMessage["type"], readonly ControlMessage["type"][]>> = {
  subscribe: ["subscribe-ok", "subscribe-ok", "publish-done", "request-error", "request-ok", "goaway"],
  fetch: ["fetch-ok", "fetch-ok", "request-error"],
  publish: ["request-ok", "request-error", "request-update", "publish-done"],
  "track-status": ["request-ok", "request-error"],
  "publish-namespace": ["request-ok", "request-error"],
  "subscribe-namespace": ["request-ok", "namespace", "namespace-done", "request-error"],
  "subscribe-tracks": ["request-ok", "publish-blocked", "request-error"],
};
