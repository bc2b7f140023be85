/**
 * Two connected WebTransport sessions without a network, and every fault a network can have, on purpose and repeatably.
 *
 * `memoryTransport()` gives a client's and a server's end of one session. What is written on one side is copied and comes out on the other,
 * cut as `chunking` says. Faults hit a stream by the order in which streams were opened.
 */
import type { Clock } from "../clock.ts";
import type { BidiStream, CloseInfo, Dial, WebTransportPort } from "../transport/port.ts";
import { type Chunking, MemoryPipe, SessionLost, type StreamFault } from "./memory-pipe.ts";
import { seededRandom } from "./random.ts";

export type { Chunking, StreamFault } from "./memory-pipe.ts";
export { SessionLost } from "./memory-pipe.ts";

/** One direction of a stream, as a fault selector sees it. */
export interface StreamOfFault {
  readonly kind: "unidirectional" | "bidirectional";
  /** Who opened the stream. */
  readonly openedBy: "client" | "server";
  /** Who writes in this direction. */
  readonly sender: "client" | "server";
  /** Counts streams of this kind and opener, from 0. The control stream is an opener's unidirectional stream 0. */
  readonly index: number;
}

export interface Faults {
  readonly chunking?:
    | "as-written"
    | "one-byte"
    | "coalesced"
    | { readonly seed: number; readonly max?: number };
  /** Milliseconds each way; needs a clock. */
  readonly delayMs?: number;
  /** Chooses the streams that are hit. */
  readonly stream?: (stream: StreamOfFault) => StreamFault | undefined;
  /** Every n-th datagram is lost. */
  readonly loseDatagram?: number;
}

export interface MemoryTransportOptions {
  readonly clock?: Clock;
  readonly faults?: Faults;
  /** The subprotocol both ends report; default "" as with a server that does not negotiate. */
  readonly protocol?: string;
  /** Bytes in flight per stream before writes wait; default 256 KiB. */
  readonly windowBytes?: number;
  /** Streams each side may open in its life, per kind; further ones wait for ever, like those above a QUIC stream limit. */
  readonly maxStreams?: number;
}

export interface MemoryTransport {
  readonly client: WebTransportPort;
  readonly server: WebTransportPort;
  /** Cuts the connection: both ends' `closed` reject, all streams fail. */
  lose(): void;
  /** Holds all streams (those opened later too) until release(). */
  stall(): void;
  release(): void;
  /** Pipes that were ever opened, for counting. */
  readonly streamsOpened: number;
}

type Side = "client" | "server";

const DEFAULT_WINDOW_BYTES = 256 * 1024;
const MAX_DATAGRAM_BYTES = 1200;
/** Datagrams that wait for a reader; further ones are dropped, like by any network. */
const DATAGRAM_QUEUE = 64;

export function memoryTransport(options: MemoryTransportOptions = {}): MemoryTransport {
  return new Wire(options);
}

/** A dialer that connects to `accept` in this process. Each dial is a new session. */
export function memoryDial(
  accepted: (server: WebTransportPort, transport: MemoryTransport, url: string) => void,
  options: MemoryTransportOptions = {},
): Dial {
  return ({ url }, signal) => {
    signal.throwIfAborted();
    const transport = memoryTransport(options);
    accepted(transport.server, transport, url);
    return Promise.resolve(transport.client);
  };
}

class Wire implements MemoryTransport {
  readonly client: End;
  readonly server: End;
  readonly options: MemoryTransportOptions;
  readonly #pipes: MemoryPipe[] = [];
  readonly #random: () => number;
  #stalled = false;
  #over = false;
  #datagrams = 0;

  constructor(options: MemoryTransportOptions) {
    this.options = options;
    const chunking = options.faults?.chunking;
    this.#random = seededRandom(typeof chunking === "object" ? chunking.seed : 1);
    this.client = new End("client", this);
    this.server = new End("server", this);
  }

  get streamsOpened(): number {
    return this.#pipes.length;
  }

  get over(): boolean {
    return this.#over;
  }

  peerOf(side: Side): End {
    return side === "client" ? this.server : this.client;
  }

  pipe(stream: StreamOfFault): MemoryPipe {
    const { faults, clock, windowBytes = DEFAULT_WINDOW_BYTES } = this.options;
    const fault = faults?.stream?.(stream);
    const pipe = new MemoryPipe({
      chunking: this.#chunking(),
      delayMs: faults?.delayMs ?? 0,
      windowBytes,
      onLose: () => this.lose(),
      ...(fault && { fault }),
      ...(clock && { clock }),
    });
    if (this.#stalled) pipe.stall();
    this.#pipes.push(pipe);
    return pipe;
  }

  #chunking(): Chunking {
    const chunking = this.options.faults?.chunking ?? "as-written";
    return typeof chunking === "object" ? { random: this.#random, max: chunking.max ?? 64 } : chunking;
  }

  loses(): boolean {
    const every = this.options.faults?.loseDatagram;
    return every !== undefined && ++this.#datagrams % every === 0;
  }

  stall(): void {
    this.#stalled = true;
    for (const pipe of this.#pipes) pipe.stall();
  }

  release(): void {
    this.#stalled = false;
    for (const pipe of this.#pipes) pipe.release();
  }

  lose(): void {
    this.end((end) => end.failed(new SessionLost("the connection was lost")));
  }

  close(info: CloseInfo): void {
    this.end((end) => end.ended(info));
  }

  end(tell: (end: End) => void): void {
    if (this.#over) return;
    this.#over = true;
    const error = new SessionLost("the session ended");
    for (const pipe of this.#pipes) pipe.lose(error);
    tell(this.client);
    tell(this.server);
  }
}

class End implements WebTransportPort {
  readonly ready = Promise.resolve();
  readonly closed: Promise<CloseInfo>;
  readonly protocol: string;
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>;
  readonly incomingBidirectionalStreams: ReadableStream<BidiStream>;
  readonly datagrams: WebTransportPort["datagrams"];
  readonly #side: Side;
  readonly #wire: Wire;
  readonly #opened = { unidirectional: 0, bidirectional: 0 };
  readonly #queues: ReadableStreamDefaultController<never>[] = [];
  #incomingUni: ReadableStreamDefaultController<ReadableStream<Uint8Array>> | undefined;
  #incomingBidi: ReadableStreamDefaultController<BidiStream> | undefined;
  #incomingDatagrams: ReadableStreamDefaultController<Uint8Array> | undefined;
  #resolveClosed: (info: CloseInfo) => void = () => undefined;
  #rejectClosed: (error: Error) => void = () => undefined;

  constructor(side: Side, wire: Wire) {
    this.#side = side;
    this.#wire = wire;
    this.protocol = wire.options.protocol ?? "";
    this.closed = new Promise((resolve, reject) => {
      this.#resolveClosed = resolve;
      this.#rejectClosed = reject;
    });
    this.closed.catch(() => undefined);
    this.incomingUnidirectionalStreams = new ReadableStream({
      start: (controller) => {
        this.#incomingUni = controller;
        this.#queues.push(controller as ReadableStreamDefaultController<never>);
      },
    });
    this.incomingBidirectionalStreams = new ReadableStream({
      start: (controller) => {
        this.#incomingBidi = controller;
        this.#queues.push(controller as ReadableStreamDefaultController<never>);
      },
    });
    this.datagrams = {
      maxDatagramSize: MAX_DATAGRAM_BYTES,
      readable: new ReadableStream(
        {
          start: (controller) => {
            this.#incomingDatagrams = controller;
            this.#queues.push(controller as ReadableStreamDefaultController<never>);
          },
        },
        { highWaterMark: DATAGRAM_QUEUE },
      ),
      writable: new WritableStream<Uint8Array>({
        write: (bytes) => {
          if (bytes.byteLength <= MAX_DATAGRAM_BYTES && !wire.loses())
            wire.peerOf(side).datagram(bytes.slice());
        },
      }),
    };
  }

  datagram(bytes: Uint8Array): void {
    if (!this.#wire.over && (this.#incomingDatagrams?.desiredSize ?? 0) > 0)
      this.#incomingDatagrams?.enqueue(bytes);
  }

  async createUnidirectionalStream(): Promise<WritableStream<Uint8Array>> {
    const index = await this.#open("unidirectional");
    const side = this.#side;
    const pipe = this.#wire.pipe({ kind: "unidirectional", openedBy: side, sender: side, index });
    this.#wire.peerOf(side).#incomingUni?.enqueue(pipe.readable);
    return pipe.writable;
  }

  async createBidirectionalStream(): Promise<BidiStream> {
    const index = await this.#open("bidirectional");
    const openedBy = this.#side;
    const other: Side = openedBy === "client" ? "server" : "client";
    const out = this.#wire.pipe({ kind: "bidirectional", openedBy, sender: openedBy, index });
    const back = this.#wire.pipe({ kind: "bidirectional", openedBy, sender: other, index });
    this.#wire.peerOf(openedBy).#incomingBidi?.enqueue({ readable: out.readable, writable: back.writable });
    return { readable: back.readable, writable: out.writable };
  }

  async #open(kind: "unidirectional" | "bidirectional"): Promise<number> {
    const index = this.#opened[kind]++;
    if (index >= (this.#wire.options.maxStreams ?? Number.POSITIVE_INFINITY))
      await this.closed.catch(() => undefined);
    if (this.#wire.over) throw new SessionLost("the session ended");
    return index;
  }

  close(info: { closeCode?: number; reason?: string } = {}): void {
    this.#wire.close({ closeCode: info.closeCode ?? 0, reason: info.reason ?? "" });
  }

  ended(info: CloseInfo): void {
    for (const queue of this.#queues) closeQuietly(queue);
    this.#resolveClosed(info);
  }

  failed(error: Error): void {
    for (const queue of this.#queues) queue.error(error);
    this.#rejectClosed(error);
  }
}

/** A queue that its reader has cancelled is closed already. */
function closeQuietly(queue: ReadableStreamDefaultController<never>): void {
  try {
    queue.close();
  } catch {
    // Nothing was left to close.
  }
}
