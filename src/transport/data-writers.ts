/** Outgoing data streams: headers by the codec, payloads as they are. */
import { CountersignError } from "../errors.ts";
import type { MoqtCodec } from "../wire/codec.ts";
import { streamResets } from "../wire/codes.ts";
import type { FetchGap, MoqObject, SubgroupHeader } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { FetchWriter, SubgroupWriter } from "./connection.ts";
import { COALESCE_BYTES } from "./limits.ts";
import { handled, isSessionError, streamErrorCode, streamErrorReason } from "./stream-errors.ts";

/** A unidirectional stream of ours. Every promise it returns settles when the session ends. */
export class StreamWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /** Bytes that go out in front of the next write: a stream's header waits for its first object. */
  #head: Uint8Array | undefined;
  #ended = false;
  #closing: Promise<void> | undefined;
  readonly #onEnded: () => void;

  constructor(writable: WritableStream<Uint8Array>, head: Uint8Array, onEnded: () => void) {
    this.#writer = writable.getWriter();
    this.#head = head;
    this.#onEnded = onEnded;
    handled(this.#writer.closed);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves with close(); undefined while nobody called it. */
  get closing(): Promise<void> | undefined {
    return this.#closing;
  }

  /** Queues a header and its payload; resolves when the transport took them. */
  write(header: Uint8Array, payload?: Uint8Array): Promise<void> {
    if (this.#ended) return handled(Promise.reject(streamEnded()));
    const head = this.#takeHead();
    const payloadBytes = payload?.byteLength ?? 0;
    let written: Promise<void>;
    if (payload && payloadBytes > COALESCE_BYTES) {
      handled(this.#writer.write(head ? join(head, header) : header));
      written = this.#writer.write(payload);
    } else if (payload && payloadBytes > 0) {
      written = this.#writer.write(head ? join(head, header, payload) : join(header, payload));
    } else {
      written = this.#writer.write(head ? join(head, header) : header);
    }
    return handled(written.catch((thrown: unknown) => this.#fail(thrown)));
  }

  close(): Promise<void> {
    if (this.#closing) return this.#closing;
    if (this.#ended) return handled(Promise.reject(streamEnded()));
    this.#ended = true;
    const head = this.#takeHead();
    if (head) handled(this.#writer.write(head));
    this.#closing = handled(this.#writer.close().catch((thrown: unknown) => this.#fail(thrown)));
    const ended = () => this.#onEnded();
    this.#closing.then(ended, ended);
    return this.#closing;
  }

  reset(code: number): void {
    const first = !this.#ended;
    this.#ended = true;
    handled(this.#writer.abort(streamErrorReason(code)));
    if (first) this.#onEnded();
  }

  #takeHead(): Uint8Array | undefined {
    const head = this.#head;
    this.#head = undefined;
    return head;
  }

  #fail(thrown: unknown): never {
    if (!this.#ended) {
      this.#ended = true;
      this.#onEnded();
    }
    const code = streamErrorCode(thrown);
    throw new CountersignError(
      isSessionError(thrown) ? "session-closed" : "stream-reset",
      isSessionError(thrown)
        ? "The session ended while an object was sent."
        : "The peer stopped a data stream.",
      { cause: thrown, ...(code !== undefined && { protocolCode: code }) },
    );
  }
}

function streamEnded(): CountersignError {
  return new CountersignError("stream-reset", "This stream has ended; nothing can be written to it.", {
    protocolCode: streamResets.cancelled,
  });
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
}

export function subgroupWriter(
  codec: MoqtCodec,
  stream: StreamWriter,
  header: SubgroupHeader,
  sent: (object: MoqObject) => void,
): SubgroupWriter {
  let previous: VarInt | undefined;
  return {
    write(object) {
      return writing(() => {
        const fields = codec.encodeSubgroupObject(object, header, previous);
        previous = object.object;
        sent(object);
        return stream.write(fields, object.payload);
      });
    },
    close: () => stream.close(),
    reset: (code) => stream.reset(code),
  };
}

export function fetchWriter(
  codec: MoqtCodec,
  stream: StreamWriter,
  cancelled: Promise<void>,
  onEnd: (complete: boolean) => void,
): FetchWriter {
  let previous: MoqObject | FetchGap | undefined;
  return {
    cancelled,
    write(object) {
      return writing(() => {
        const fields = codec.encodeFetchObject(object, previous);
        previous = object;
        return stream.write(fields, object.payload);
      });
    },
    gap(gap) {
      return writing(() => {
        const fields = codec.encodeFetchGap(gap);
        previous = gap;
        return stream.write(fields);
      });
    },
    async close() {
      await stream.close();
      onEnd(true);
    },
    reset(code) {
      stream.reset(code);
      onEnd(false);
    },
  };
}

/** An object that has no encoding rejects like one that cannot be sent. */
function writing(write: () => Promise<void>): Promise<void> {
  try {
    return write();
  } catch (thrown) {
    return handled(Promise.reject(thrown));
  }
}

/**
 * WebTransport's sendOrder (higher goes first) for MOQT's priorities (lower goes first, draft-18 §7.2): subscriber priority, then publisher
 * priority, then group. Always negative, so that control and request streams, which have 0, are never behind data.
 */
export function sendOrder(
  subscriberPriority: number,
  publisherPriority: number,
  group: VarInt,
  order: "ascending" | "descending",
): number {
  const rank = (255 - subscriberPriority) * 256 + (255 - publisherPriority);
  const low = Number(BigInt.asUintN(GROUP_BITS, BigInt(group)));
  const within = order === "ascending" ? GROUP_SPAN - 1 - low : low;
  return rank * GROUP_SPAN + within - 2 ** 16 * GROUP_SPAN;
}

/** 16 bits of priorities and 36 of the group fill the 52 that a double counts exactly. */
const GROUP_BITS = 36;
const GROUP_SPAN = 2 ** GROUP_BITS;
