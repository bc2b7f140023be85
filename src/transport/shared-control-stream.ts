/** The one bidirectional control stream of drafts up to 16 (draft-16 §3.3): the first that the client opens. */
import type { SharedControlCodec } from "../wire/codec.ts";
import { streamResets } from "../wire/codes.ts";
import type { ControlMessage } from "../wire/messages.ts";
import type { SharedMessage } from "../wire/shared-messages.ts";
import type { ControlChannel } from "./control-channel.ts";
import type { Host } from "./host.ts";
import { CONTROL_END_GRACE_MS, MAX_QUEUED_CONTROL_BYTES } from "./limits.ts";
import { MessageSender, readMessages } from "./messages.ts";
import type { BidiStream } from "./port.ts";
import { handled, streamErrorReason } from "./stream-errors.ts";
import type { Timers } from "./timers.ts";

export class SharedControlStream implements ControlChannel {
  readonly #host: Host;
  readonly #timers: Timers;
  readonly #codec: SharedControlCodec;
  #sender: MessageSender | undefined;
  #reader: ReadableStreamDefaultReader<unknown> | undefined;
  /** Sent before the stream was there. */
  #early: Uint8Array[] = [];
  #over = false;

  constructor(host: Host, timers: Timers, codec: SharedControlCodec) {
    this.#host = host;
    this.#timers = timers;
    this.#codec = codec;
  }

  get queuedBytes(): number {
    return this.#sender?.queuedBytes ?? 0;
  }

  async open(): Promise<void> {
    const stream = await (this.#host.role === "client"
      ? this.#host.port.createBidirectionalStream()
      : this.#firstOfPeer());
    if (!stream) return;
    if (this.#over) {
      const reason = streamErrorReason(streamResets["session-closed"]);
      handled(stream.writable.abort(reason));
      handled(stream.readable.cancel(reason));
      return;
    }
    void this.#attach(stream);
  }

  /** Undefined when the session ended first. Requests on streams of their own (draft-16) come after it and wait where they are. */
  async #firstOfPeer(): Promise<BidiStream | undefined> {
    const reader = this.#host.port.incomingBidirectionalStreams.getReader();
    this.#reader = reader;
    try {
      return (await reader.read()).value;
    } catch {
      // The end of the session is told elsewhere.
      return undefined;
    } finally {
      this.#reader = undefined;
      reader.releaseLock();
    }
  }

  async #attach(stream: BidiStream): Promise<void> {
    const host = this.#host;
    const ended = () => {
      if (this.#over) return;
      // A session that ends takes its control stream along; only if nothing of that is heard, the stream ended alone.
      this.#timers.set("control-ended", CONTROL_END_GRACE_MS, () => host.handle({ type: "control-ended" }));
    };
    const sender = new MessageSender(stream.writable, ended);
    for (const bytes of this.#early) sender.send(bytes);
    this.#early = [];
    this.#sender = sender;
    const reader = stream.readable.getReader();
    this.#reader = reader;
    await readMessages(reader, this.#codec.decoder(host.role === "client" ? "server" : "client"), {
      message: (message) => host.handle({ type: "control-message", message }),
      finished: ended,
      failed: ended,
      broken: (error) => host.handle({ type: "broken", error }),
      // A peer that asks and does not read our answers is not read either.
      pause: () => (sender.queuedBytes > MAX_QUEUED_CONTROL_BYTES ? sender.drained() : undefined),
    });
  }

  send(message: ControlMessage | SharedMessage): void {
    const bytes = this.#encode(message);
    if (this.#sender) this.#sender.send(bytes);
    else this.#early.push(bytes);
  }

  #encode(message: ControlMessage | SharedMessage): Uint8Array {
    switch (message.type) {
      case "subscribe-ok":
      case "fetch-ok":
      case "request-ok":
      case "request-error":
      case "request-update":
      case "publish-done":
      case "namespace":
      case "namespace-done":
      case "publish-blocked":
        // They belong to a request, and the machine for these drafts wraps them so that they say to which.
        throw new RangeError(`${message.type} cannot stand alone on a shared control stream`);
      default:
        return this.#codec.encode(message, this.#host.role);
    }
  }

  destroy(): void {
    this.#over = true;
    const reason = streamErrorReason(streamResets["session-closed"]);
    this.#sender?.destroy(streamResets["session-closed"]);
    if (this.#reader) handled(this.#reader.cancel(reason));
  }
}
