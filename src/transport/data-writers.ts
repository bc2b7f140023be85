/** Outgoing data streams: headers by the codec, payloads as they are. */
import { CountersignError } from "../errors.ts";
import type { MoqtCodec } from "../wire/codec.ts";
import { streamResets } from "../wire/codes.ts";
import type { FetchGap, MoqObject, SubgroupHeader } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { FetchWriter, SubgroupWriter } from "./connection.ts";
import { type Deferred, deferred } from "./deferred.ts";
import type { DeliveryWatch } from "./delivery-timeouts.ts";
import { COALESCE_BYTES, MAX_BATCH_BYTES } from "./limits.ts";
import { handled, isSessionError, streamErrorCode, streamErrorReason } from "./stream-errors.ts";

const NOTHING = new Uint8Array(0);

/** A unidirectional stream of ours. Every promise it returns settles when the session ends. */
export class StreamWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /** Bytes that go out in front of the next write: a stream's header waits for its first object. */
  #head: Uint8Array | undefined;
  /** Writes the transport has not taken yet, and small ones that wait behind them to go out together. */
  #inFlight = 0;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #batchWritten: Deferred<void> | undefined;
  #ended = false;
  /** With which we reset it. */
  #resetCode: number | undefined;
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
  write(header: Uint8Array, payload: Uint8Array = NOTHING): Promise<void> {
    if (this.#ended) return handled(Promise.reject(streamEnded(this.#resetCode)));
    const bytes = header.byteLength + payload.byteLength;
    if (
      this.#inFlight > 0 &&
      payload.byteLength <= COALESCE_BYTES &&
      this.#batchBytes + bytes <= MAX_BATCH_BYTES
    ) {
      this.#batch.push(header, payload);
      this.#batchBytes += bytes;
      this.#batchWritten ??= deferred<void>();
      return this.#batchWritten.promise;
    }
    this.#flush();
    const head = this.#head;
    this.#head = undefined;
    if (payload.byteLength > COALESCE_BYTES) {
      handled(this.#writer.write(head ? join([head, header]) : header));
      return this.#send(payload);
    }
    return this.#send(join(head ? [head, header, payload] : [header, payload]));
  }

  #send(bytes: Uint8Array): Promise<void> {
    this.#inFlight++;
    return handled(
      this.#writer.write(bytes).then(
        () => this.#sent(),
        (thrown: unknown) => this.#fail(thrown),
      ),
    );
  }

  #sent(): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#flush();
  }

  /** Sends what has gathered behind a write that was under way, as one chunk. */
  #flush(): void {
    const written = this.#batchWritten;
    if (!written) return;
    const bytes = join(this.#batch);
    this.#batch = [];
    this.#batchBytes = 0;
    this.#batchWritten = undefined;
    this.#send(bytes).then(written.resolve, written.reject);
    handled(written.promise);
  }

  close(): Promise<void> {
    if (this.#closing) return this.#closing;
    if (this.#ended) return handled(Promise.reject(streamEnded()));
    this.#ended = true;
    this.#flush();
    if (this.#head) handled(this.#writer.write(this.#head));
    this.#closing = handled(this.#writer.close().catch((thrown: unknown) => this.#fail(thrown)));
    const ended = () => this.#onEnded();
    this.#closing.then(ended, ended);
    return this.#closing;
  }

  reset(code: number): void {
    const first = !this.#ended;
    this.#ended = true;
    this.#resetCode ??= code;
    handled(this.#writer.abort(streamErrorReason(code)));
    this.#dropBatch();
    if (first) this.#onEnded();
  }

  #dropBatch(): void {
    const written = this.#batchWritten;
    this.#batch = [];
    this.#batchWritten = undefined;
    if (written) handled(written.promise);
    written?.reject(streamEnded(this.#resetCode));
  }

  #fail(thrown: unknown): never {
    if (!this.#ended) {
      this.#ended = true;
      this.#onEnded();
    }
    this.#dropBatch();
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

function streamEnded(code: number = streamResets.cancelled): CountersignError {
  return new CountersignError("stream-reset", "This stream has ended; nothing can be written to it.", {
    protocolCode: code,
  });
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
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
  watch: DeliveryWatch,
): SubgroupWriter {
  let previous: VarInt | undefined;
  return {
    write(object) {
      return writing(() => {
        const fields = codec.encodeSubgroupObject(object, header, previous);
        previous = object.object;
        sent(object);
        const written = stream.write(fields, object.payload);
        watch.object(written);
        return written;
      });
    },
    close() {
      const closed = stream.close();
      watch.closing(closed);
      return closed;
    },
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
  /** Drafts that cannot say that objects are unknown have the stream reset instead (draft-16 §10.4.3): silence would claim that there are none. */
  function encodeGap(gap: FetchGap): Uint8Array {
    try {
      return codec.encodeFetchGap(gap);
    } catch (thrown) {
      stream.reset(streamResets["unknown-object-status"]);
      onEnd(false);
      throw thrown;
    }
  }
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
        const fields = encodeGap(gap);
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
