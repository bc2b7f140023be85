/**
 * The reference: a worker that reads what the origin sends and throws it away.
 *
 * The session is opened and the tracks are subscribed to by our own transport, so that the origin does exactly the same; the data streams are taken
 * away from it before it sees them. What is left is one read after the other, which is the least that any receiver does.
 */
import { browserDial } from "../../src/transport/browser-dial.ts";
import { connect } from "../../src/transport/connect.ts";
import type { Connection } from "../../src/transport/connection.ts";
import type { Dial, WebTransportPort } from "../../src/transport/port.ts";
import { namespaceOf, trackOf } from "../../src/wire/names.ts";
import { supportedVersions } from "../../src/wire/registry.ts";
import { NO_FAULTS, type RunOptions, type RunResult } from "./messages.ts";

/** Streams read to their end, and their bytes. */
class Drain {
  bytes = 0;
  streams = 0;
  /** Told at the end of each stream. */
  onStream: (() => void) | undefined;
  #wanted = Number.POSITIVE_INFINITY;
  #reached: () => void = () => undefined;

  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const reader = stream.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      this.bytes += value.byteLength;
    }
    this.streams++;
    this.onStream?.();
    if (this.streams >= this.#wanted) this.#reached();
  }

  /** Resolves when so many streams have ended. */
  until(streams: number): Promise<void> {
    if (this.streams >= streams) return Promise.resolve();
    this.#wanted = streams;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }
}

/** A dial whose sessions give their first incoming stream (the control stream) to the driver and all others to `drain`. */
function draining(drain: Drain): Dial {
  return async (options, signal) => {
    const port = await browserDial(options, signal);
    const streams = port.incomingUnidirectionalStreams.getReader();
    const control = new ReadableStream<ReadableStream<Uint8Array>>(
      {
        async start(controller) {
          const first = await streams.read();
          if (first.done) return controller.close();
          controller.enqueue(first.value);
          void (async () => {
            for (;;) {
              const { done, value } = await streams.read();
              if (done) return;
              void drain.read(value).catch(() => undefined);
            }
          })().catch(() => undefined);
        },
      },
      { highWaterMark: 1 },
    );
    return withStreams(port, control);
  };
}

function withStreams(
  port: WebTransportPort,
  incoming: ReadableStream<ReadableStream<Uint8Array>>,
): WebTransportPort {
  return {
    ready: port.ready,
    closed: port.closed,
    protocol: port.protocol,
    incomingUnidirectionalStreams: incoming,
    incomingBidirectionalStreams: port.incomingBidirectionalStreams,
    datagrams: port.datagrams,
    createUnidirectionalStream: (options) => port.createUnidirectionalStream(options),
    createBidirectionalStream: (options) => port.createBidirectionalStream(options),
    close: (info) => port.close(info),
  };
}

export class RawRun {
  readonly #options: RunOptions;
  readonly #page: MessagePort;
  readonly #objects = new Drain();
  readonly #manifests = new Drain();
  #connections: Connection[] = [];
  #result: RunResult | undefined;

  constructor(options: RunOptions, page: MessagePort) {
    this.#options = options;
    this.#page = page;
  }

  async prepare(addresses: {
    readonly objects: readonly string[];
    readonly manifests: string;
  }): Promise<void> {
    const { origin } = this.#options;
    const hash = Uint8Array.from(origin.certificateHash.match(/../g) ?? [], (pair) =>
      Number.parseInt(pair, 16),
    );
    const open = async (drain: Drain, url: string, track: string): Promise<void> => {
      const connection = await connect(draining(drain), {
        url,
        certificateHashes: [hash],
        versions: supportedVersions,
      });
      this.#connections.push(connection);
      await connection.subscribe(
        { track: trackOf(namespaceOf(...origin.broadcast), track) },
        { object: () => undefined },
      );
    };
    await open(this.#manifests, addresses.manifests, "video.manifest");
    for (const url of addresses.objects) await open(this.#objects, url, "video");
    await this.#objects.until(1);
  }

  async run(): Promise<void> {
    const { origin } = this.#options;
    const before = this.#objects.bytes;
    const start = performance.now();
    const consumed = (): void => this.#page.postMessage(undefined);
    consumed();
    this.#objects.onStream = consumed;
    await Promise.all([this.#objects.until(origin.groups), this.#manifests.until(origin.groups)]);
    this.#result = {
      seconds: (performance.now() - start) / 1000,
      bytes: this.#objects.bytes - before,
      objects: (origin.groups - 1) * origin.objectsPerGroup,
      duplicates: 0,
      faults: NO_FAULTS,
      storedBytes: 0,
      flushSeconds: 0,
    };
  }

  async finish(): Promise<RunResult> {
    for (const connection of this.#connections) connection.close();
    if (!this.#result) throw new Error("the run was not made");
    return this.#result;
  }
}
