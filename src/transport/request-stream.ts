/** The bidirectional stream of one request, from before it is open until nothing of it is left. */
import type { Clock } from "../clock.ts";
import type { CountersignError } from "../errors.ts";
import type { ControlDecoder } from "../wire/codec.ts";
import { streamResets } from "../wire/codes.ts";
import type { ControlMessage } from "../wire/messages.ts";
import { LINGER_MS, MAX_QUEUED_CONTROL_BYTES } from "./limits.ts";
import { MessageSender, readMessages } from "./messages.ts";
import type { BidiStream } from "./port.ts";
import { handled, isSessionError, streamErrorCode, streamErrorReason } from "./stream-errors.ts";

export interface RequestStreamListener {
  message(message: ControlMessage): void;
  finished(): void;
  cancelled(code: number | undefined): void;
  broken(error: CountersignError): void;
  /** Both halves are over; the stream can be forgotten. */
  gone(): void;
}

export class RequestStream {
  readonly #listener: RequestStreamListener;
  readonly #clock: Clock;
  #sender: MessageSender | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** Sent before the stream was open. */
  #early: Uint8Array[] = [];
  #ended: "finished" | "aborted" | undefined;
  #abortCode: number = streamResets.cancelled;
  #readingOver = false;
  #cancelLinger: (() => void) | undefined;

  constructor(clock: Clock, listener: RequestStreamListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  get queuedBytes(): number {
    return this.#sender?.queuedBytes ?? 0;
  }

  /** The stream is there: sends what waits and reads until the end. */
  attach(stream: BidiStream, decoder: ControlDecoder): void {
    const sender = new MessageSender(stream.writable, (thrown) => this.#failed(thrown));
    const reader = stream.readable.getReader();
    this.#sender = sender;
    this.#reader = reader;
    if (this.#ended === "aborted") {
      this.#abort();
      return;
    }
    for (const bytes of this.#early) sender.send(bytes);
    this.#early = [];
    if (this.#ended === "finished") this.#finish();
    const listener = this.#listener;
    const pump = readMessages(reader, decoder, {
      // After our FIN or reset the request is over; what the peer had under way is read and dropped.
      message: (message) => this.#ended ?? listener.message(message),
      finished: () => this.#ended ?? listener.finished(),
      failed: (thrown) => this.#failed(thrown),
      broken: (error) => this.#ended ?? listener.broken(error),
      pause: () => (sender.queuedBytes > MAX_QUEUED_CONTROL_BYTES ? sender.drained() : undefined),
    });
    void pump.then(() => this.#readingEnded());
  }

  send(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (this.#sender) this.#sender.send(bytes);
    else this.#early.push(bytes);
  }

  /** FIN, then reads on for a while so that the peer is not stopped before it has read our last message. */
  finish(): void {
    if (this.#ended) return;
    this.#ended = "finished";
    if (this.#sender) this.#finish();
  }

  #finish(): void {
    this.#sender?.finish();
    if (this.#readingOver) {
      this.#listener.gone();
      return;
    }
    this.#cancelLinger = this.#clock.setTimer(LINGER_MS, () => {
      if (this.#reader) handled(this.#reader.cancel(streamErrorReason(streamResets.cancelled)));
    });
  }

  abort(code: number): void {
    if (this.#ended === "aborted") return;
    this.#ended = "aborted";
    this.#abortCode = code;
    this.#early = [];
    this.#abort();
  }

  #abort(): void {
    this.#cancelLinger?.();
    this.#sender?.destroy(this.#abortCode);
    if (this.#reader) handled(this.#reader.cancel(streamErrorReason(this.#abortCode)));
    if (this.#sender) this.#listener.gone();
  }

  /** Whether something of the stream is still open. */
  get open(): boolean {
    return this.#ended === undefined || !this.#readingOver;
  }

  #readingEnded(): void {
    this.#readingOver = true;
    this.#cancelLinger?.();
    if (this.#ended) this.#listener.gone();
  }

  #failed(thrown: unknown): void {
    // When the session ends all its streams fail; the session's own end says more than any of them.
    if (this.#ended || isSessionError(thrown)) return;
    this.#listener.cancelled(streamErrorCode(thrown));
  }
}
