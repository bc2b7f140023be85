/** Control messages on one stream, each way: a queue of encoded messages out, a decoder in. */
import { CountersignError } from "../errors.ts";
import type { MessageDecoder } from "../wire/codec.ts";
import { sessionErrors } from "../wire/codes.ts";
import { handled, ignore, streamErrorReason } from "./stream-errors.ts";

/** Writes messages in order and never waits; whoever produces them without limit looks at `queuedBytes`. */
export class MessageSender {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #queuedBytes = 0;
  #ended = false;

  /** `onStopped` is told once when the stream broke before we ended it: the peer stopped it, or the session ended. */
  constructor(writable: WritableStream<Uint8Array>, onStopped: (thrown: unknown) => void) {
    this.#writer = writable.getWriter();
    this.#writer.closed.catch((thrown: unknown) => {
      if (!this.#ended) onStopped(thrown);
    });
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  send(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#queuedBytes += bytes.byteLength;
    const written = () => {
      this.#queuedBytes -= bytes.byteLength;
    };
    this.#writer.write(bytes).then(written, written);
  }

  /** Resolves when everything queued so far was taken, or cannot be. */
  async drained(): Promise<void> {
    await this.#writer.ready.catch(ignore);
  }

  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    handled(this.#writer.close());
  }

  abort(code: number): void {
    if (this.#ended) return;
    this.#ended = true;
    handled(this.#writer.abort(streamErrorReason(code)));
  }

  /** As abort(), also after finish(): at the end of a session nothing may stay pending. */
  destroy(code: number): void {
    this.#ended = true;
    handled(this.#writer.abort(streamErrorReason(code)));
  }
}

export interface MessageListener<M> {
  message(message: M): void;
  /** FIN between two messages. */
  finished(): void;
  /** The stream was reset, or its session ended. */
  failed(thrown: unknown): void;
  /** Bytes no decoder accepts, or a FIN within a message. */
  broken(error: CountersignError): void;
  /** Asked after each chunk; the stream is not read on before it resolves. */
  pause?(): Promise<void> | undefined;
}

/** Reads a stream of messages to its end. Resolves always; cancelling the reader ends it silently. */
export async function readMessages<M>(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  decoder: MessageDecoder<M>,
  listener: MessageListener<M>,
  first?: Uint8Array,
): Promise<void> {
  let chunk = first;
  for (;;) {
    if (chunk) {
      try {
        decoder.push(chunk);
        for (let message = decoder.next(); message; message = decoder.next()) listener.message(message);
      } catch (thrown) {
        if (!(thrown instanceof CountersignError)) throw thrown;
        listener.broken(thrown);
        return;
      }
      const pause = listener.pause?.();
      if (pause) await pause;
    }
    let result: ReadableStreamReadResult<Uint8Array>;
    try {
      result = await reader.read();
    } catch (thrown) {
      listener.failed(thrown);
      return;
    }
    if (result.done) {
      if (decoder.idle) listener.finished();
      else {
        listener.broken(
          new CountersignError("protocol-violation", "A stream ended within a control message.", {
            protocolCode: sessionErrors["protocol-violation"],
            section: "draft-ietf-moq-transport-18 §10",
          }),
        );
      }
      return;
    }
    chunk = result.value;
  }
}
