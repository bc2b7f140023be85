/** The pair of control streams (draft-18 §3.3): ours, opened at once, and the peer's, whenever it shows up. */
import { violation } from "../session/violations.ts";
import { streamResets } from "../wire/codes.ts";
import type { ControlMessage } from "../wire/messages.ts";
import type { SharedMessage } from "../wire/shared-messages.ts";
import type { ControlChannel } from "./control-channel.ts";
import type { Host } from "./host.ts";
import { CONTROL_END_GRACE_MS } from "./limits.ts";
import { MessageSender, readMessages } from "./messages.ts";
import { handled, ignore, streamErrorReason } from "./stream-errors.ts";
import type { Timers } from "./timers.ts";

export class ControlStreams implements ControlChannel {
  readonly #host: Host;
  readonly #timers: Timers;
  #sender: MessageSender | undefined;
  /** Sent before our stream was open. */
  #early: Uint8Array[] = [];
  #peerCame = false;
  #over = false;

  constructor(host: Host, timers: Timers) {
    this.#host = host;
    this.#timers = timers;
  }

  /** Rejects when the transport cannot open a stream any more. */
  async open(): Promise<void> {
    const writable = await this.#host.port.createUnidirectionalStream();
    if (this.#over) {
      handled(writable.abort(streamErrorReason(streamResets["session-closed"])));
      return;
    }
    // A peer that stops our control stream says no more than by ending its own, which is what we watch.
    const sender = new MessageSender(writable, ignore);
    for (const bytes of this.#early) sender.send(bytes);
    this.#early = [];
    this.#sender = sender;
  }

  get queuedBytes(): number {
    return this.#sender?.queuedBytes ?? 0;
  }

  send(message: ControlMessage | SharedMessage): void {
    const bytes = this.#encode(message);
    if (this.#sender) this.#sender.send(bytes);
    else this.#early.push(bytes);
  }

  #encode(message: ControlMessage | SharedMessage): Uint8Array {
    const { codec, role } = this.#host;
    if (message.type === "setup") return codec.encodeSetup(message, role);
    if (message.type === "goaway") return codec.encodeMessage(message);
    throw new RangeError(`${message.type} has no place on a control stream`);
  }

  /** Reads the peer's control stream to its end, beginning with the bytes that told what it is. */
  async read(reader: ReadableStreamDefaultReader<Uint8Array>, first: Uint8Array): Promise<void> {
    const host = this.#host;
    if (this.#peerCame) {
      host.handle({ type: "broken", error: violation("§3.3", "The peer opened a second control stream.") });
      return;
    }
    this.#peerCame = true;
    const ended = () => {
      if (this.#over) return;
      // A session that ends takes its control stream along; only if nothing of that is heard, the stream ended alone.
      this.#timers.set("control-ended", CONTROL_END_GRACE_MS, () => host.handle({ type: "control-ended" }));
    };
    await readMessages(
      reader,
      host.codec.controlDecoder("control"),
      {
        message: (message) => host.handle({ type: "control-message", message }),
        finished: ended,
        failed: ended,
        broken: (error) => host.handle({ type: "broken", error }),
      },
      first,
    );
  }

  destroy(): void {
    this.#over = true;
    this.#sender?.destroy(streamResets["session-closed"]);
  }
}
