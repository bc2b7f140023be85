/** One direction of one in-memory stream, with the semantics of a QUIC stream and room for faults. */
import type { Clock } from "../clock.ts";
import { StreamErrorReason, streamErrorCode } from "../transport/stream-errors.ts";

/** How the bytes of a stream are cut into reads. */
export type Chunking =
  | "as-written"
  | "one-byte"
  /** Everything that has arrived, in one chunk. */
  | "coalesced"
  /** Pieces of 1 to `max` bytes, across the borders of writes. */
  | { readonly random: () => number; readonly max: number };

/** Something that happens once the reader has got `at` bytes. */
export interface StreamFault {
  readonly at: number;
  /**
   * reset: both ends see it. fin: the rest is lost without a word. stall: nothing more until released. lose: the whole connection. corrupt: the next
   * byte is another one, as a faulty or hostile peer (never QUIC) would have it.
   */
  readonly action: "reset" | "fin" | "stall" | "lose" | "corrupt";
  /** The code of "reset"; for "corrupt", the bits that flip (default: all). */
  readonly code?: number;
}

export interface PipeOptions {
  readonly chunking: Chunking;
  readonly fault?: StreamFault;
  readonly delayMs: number;
  readonly clock?: Clock;
  /** Bytes in flight before writes wait. */
  readonly windowBytes: number;
  readonly onLose: () => void;
}

/** An error as WebTransport has it when the session under a stream ended. */
export class SessionLost extends Error {
  override readonly name = "SessionLost";
  readonly source = "session";
}

export class MemoryPipe {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #options: PipeOptions;
  /** Arrived and not yet read. */
  readonly #arrived: Uint8Array[] = [];
  #arrivedBytes = 0;
  #inFlightBytes = 0;
  #deliveredBytes = 0;
  #finArrived = false;
  /** Why the writer gave it up. */
  #resetReason: StreamErrorReason | undefined;
  #stalled = false;
  #over = false;
  #fault: StreamFault | undefined;
  /** Bits to flip in the next byte. */
  #flip = 0;
  #readController: ReadableStreamDefaultController<Uint8Array> | undefined;
  #writeController: WritableStreamDefaultController | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#fault = options.fault;
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#readController = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason: unknown) => this.#stopped(reason),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#writeController = controller;
        // Streams wait with abort() for the write under way; WebTransport does not, it gives that one up as well.
        const { signal } = controller;
        signal.addEventListener("abort", () => this.#reset(streamErrorCode(signal.reason) ?? 0));
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#later(() => this.#finish()),
      abort: (reason: unknown) => this.#reset(streamErrorCode(reason) ?? 0),
    });
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** Nothing is delivered until release(). */
  stall(): void {
    this.#stalled = true;
  }

  release(): void {
    this.#stalled = false;
    this.#wake();
  }

  /** The session ended: both ends fail. */
  lose(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#readController?.error(error);
    this.#writeController?.error(error);
    this.#wake();
    this.#wakeWriter?.();
  }

  async #write(chunk: Uint8Array): Promise<void> {
    if (this.#over) return;
    // Copied at the border, as a network does: neither side can see what the other does to its buffer.
    const copy = chunk.slice();
    this.#inFlightBytes += copy.byteLength;
    this.#later(() => {
      this.#arrived.push(copy);
      this.#arrivedBytes += copy.byteLength;
      this.#wake();
    });
    while (this.#inFlightBytes >= this.#options.windowBytes && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    if (this.#resetReason) throw this.#resetReason;
  }

  #later(arrive: () => void): void {
    const { clock, delayMs } = this.#options;
    if (clock && delayMs > 0) clock.setTimer(delayMs, arrive);
    else arrive();
  }

  #finish(): void {
    this.#finArrived = true;
    this.#wake();
  }

  #reset(code: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#resetReason = new StreamErrorReason(code);
    this.#readController?.error(this.#resetReason);
    this.#wake();
    this.#wakeWriter?.();
  }

  #stopped(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#writeController?.error(new StreamErrorReason(streamErrorCode(reason) ?? 0));
    this.#wake();
    this.#wakeWriter?.();
  }

  #wake(): void {
    const wake = this.#wakeReader;
    this.#wakeReader = undefined;
    wake?.();
  }

  /** Delivers one chunk, or the end, when there is something to deliver. */
  async #pull(): Promise<void> {
    for (;;) {
      if (this.#over) return;
      const fault = this.#fault;
      if (fault && this.#deliveredBytes >= fault.at) {
        this.#fault = undefined;
        this.#strike(fault);
        continue;
      }
      if (!this.#stalled && this.#arrived.length > 0) {
        const room = fault ? fault.at - this.#deliveredBytes : Number.POSITIVE_INFINITY;
        const chunk = this.#take(room);
        if (this.#flip !== 0 && chunk.byteLength > 0) {
          chunk[0] = chunk[0]! ^ this.#flip;
          this.#flip = 0;
        }
        this.#deliveredBytes += chunk.byteLength;
        this.#inFlightBytes -= chunk.byteLength;
        this.#wakeWriter?.();
        this.#readController?.enqueue(chunk);
        return;
      }
      if (!this.#stalled && this.#finArrived) {
        this.#over = true;
        this.#readController?.close();
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  #strike(fault: StreamFault): void {
    switch (fault.action) {
      case "stall":
        this.#stalled = true;
        return;
      case "corrupt":
        this.#flip = fault.code ?? 0xff;
        return;
      case "reset": {
        const error = new StreamErrorReason(fault.code ?? 0);
        this.#over = true;
        this.#readController?.error(error);
        this.#writeController?.error(error);
        break;
      }
      case "fin":
        // The writer is not told: what it still sends is lost.
        this.#over = true;
        this.#readController?.close();
        break;
      case "lose":
        this.#options.onLose();
    }
    this.#wakeWriter?.();
  }

  #take(room: number): Uint8Array {
    const { chunking } = this.#options;
    const first = this.#arrived[0]!;
    let wanted: number;
    if (chunking === "as-written") wanted = first.byteLength;
    else if (chunking === "one-byte") wanted = 1;
    else if (chunking === "coalesced") wanted = this.#arrivedBytes;
    else wanted = 1 + Math.floor(chunking.random() * chunking.max);
    const bytes = Math.min(wanted, room, this.#arrivedBytes);
    if (bytes === first.byteLength) {
      this.#arrived.shift();
      this.#arrivedBytes -= bytes;
      return first;
    }
    const chunk = new Uint8Array(bytes);
    let at = 0;
    while (at < bytes) {
      const head = this.#arrived[0]!;
      const part = head.subarray(0, bytes - at);
      chunk.set(part, at);
      at += part.byteLength;
      if (part.byteLength === head.byteLength) this.#arrived.shift();
      else this.#arrived[0] = head.subarray(part.byteLength);
    }
    this.#arrivedBytes -= bytes;
    return chunk;
  }
}
