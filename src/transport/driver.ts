/**
 * A connection: the session machine run on the streams of one WebTransport session.
 *
 * The machine (session/) decides, this class carries out: it opens and ends streams, keeps the timers, and passes on what concerns a request
 * to the object that stands for it. Actions are carried out one after the other in the order they were decided, also when carrying one out
 * makes the application ask for the next thing.
 */
import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { AUTH_TOKEN_CACHE_BYTES } from "../session/limits.ts";
import type { MachineClass } from "../session/machine.ts";
import type {
  Role,
  SessionAction,
  SessionInput,
  SessionMachine,
  StreamHandle,
  TimerName,
} from "../session/types.ts";
import type { MoqtCodec } from "../wire/codec.ts";
import { sessionErrorName, streamResets } from "../wire/codes.ts";
import type { AuthToken, SetupMessage } from "../wire/messages.ts";
import type { ConnectionEnd } from "./connection.ts";
import { type ControlChannel, controlChannel } from "./control-channel.ts";
import { DataReceiver } from "./data-receiver.ts";
import { Datagrams } from "./datagrams.ts";
import { deferred } from "./deferred.ts";
import type { Host, RequestObserver } from "./host.ts";
import type { BidiStream, WebTransportPort } from "./port.ts";
import { RequestStream } from "./request-stream.ts";
import type { Serving } from "./serving.ts";
import { handled, ignore, streamErrorReason } from "./stream-errors.ts";
import { Timers } from "./timers.ts";
import { UnknownAliases } from "./unknown-aliases.ts";

export interface DriverOptions {
  readonly role: Role;
  readonly codec: MoqtCodec;
  /** The kind of machine that the draft wants (session/machine.ts). */
  readonly machine: MachineClass;
  readonly clock: Clock;
  readonly serving: Serving;
  readonly setupTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxObjectBytes: number;
  readonly implementation: string;
  readonly authorizationTokens?: readonly AuthToken[];
}

/** Inputs that only bytes of the peer cause. Data streams report for themselves, once per read. */
const FROM_PEER: ReadonlySet<SessionInput["type"]> = new Set([
  "control-message",
  "request-opened",
  "request-message",
  "data-started",
]);

export class Driver implements Host {
  readonly codec: MoqtCodec;
  readonly clock: Clock;
  readonly port: WebTransportPort;
  readonly session: SessionMachine;
  readonly maxObjectBytes: number;
  readonly unknownAliases: UnknownAliases;
  onGoaway: ((goaway: { newUri: string; timeoutMs: number }) => void) | undefined;

  readonly role: Role;
  /** When the peer was heard of last, by the clock. */
  receivedAtMs: number;
  readonly #options: DriverOptions;
  readonly #opened = deferred<SetupMessage>();
  readonly #closed = deferred<ConnectionEnd>();
  readonly #queue: SessionAction[] = [];
  #running = false;
  #over = false;
  #nextStream: StreamHandle = 0;
  readonly #streams = new Map<StreamHandle, RequestStream>();
  readonly #observers = new Map<StreamHandle, RequestObserver>();
  readonly #timers: Timers;
  readonly #control: ControlChannel;
  readonly #datagrams: Datagrams;
  /** Readers and writers that the end of the session has to stop, beyond those of requests. */
  readonly #readers = new Set<ReadableStreamDefaultReader<unknown>>();

  constructor(port: WebTransportPort, options: DriverOptions) {
    this.port = port;
    this.role = options.role;
    this.codec = options.codec;
    this.clock = options.clock;
    this.receivedAtMs = options.clock.now();
    this.maxObjectBytes = options.maxObjectBytes;
    this.#options = options;
    this.#timers = new Timers(options.clock);
    this.#datagrams = new Datagrams(this);
    this.#control = controlChannel(this, this.#timers);
    this.unknownAliases = new UnknownAliases(options.clock);
    this.session = new options.machine({
      role: options.role,
      capabilities: options.codec.capabilities,
      setupTimeoutMs: options.setupTimeoutMs,
      requestTimeoutMs: options.requestTimeoutMs,
    });
    handled(this.#opened.promise);
  }

  get closed(): Promise<ConnectionEnd> {
    return this.#closed.promise;
  }

  /** Exchanges SETUP. Resolves with the peer's; rejects when the session ended first. */
  start(): Promise<SetupMessage> {
    this.port.closed.then(
      (info) => this.#transportClosed(info.closeCode, info.reason),
      (thrown: unknown) => this.#connectionLost(thrown),
    );
    const { implementation, authorizationTokens } = this.#options;
    this.handle({
      type: "start",
      setup: {
        maxAuthTokenCacheSize: AUTH_TOKEN_CACHE_BYTES,
        implementation,
        ...(authorizationTokens && { authorizationTokens }),
      },
    });
    this.#control.open().catch((thrown: unknown) => this.#connectionLost(thrown));
    void this.#acceptAll(this.port.incomingUnidirectionalStreams, (stream) => void this.#receive(stream));
    void this.#acceptAll(this.port.datagrams.readable, (bytes) =>
      this.#tell(() => this.#datagrams.receive(bytes)),
    );
    // Requests that come before SETUP stay where they are, at no cost to us (§3.3 asks to buffer them).
    this.#opened.promise.then(
      () => this.#acceptAll(this.port.incomingBidirectionalStreams, (stream) => this.#acceptRequest(stream)),
      ignore,
    );
    return this.#opened.promise;
  }

  // --- Host ---

  received(): void {
    this.receivedAtMs = this.clock.now();
  }

  handle(input: SessionInput): void {
    if (FROM_PEER.has(input.type)) this.received();
    this.#queue.push(...this.session.handle(input));
    if (this.#running) return;
    this.#running = true;
    try {
      for (let action = this.#queue.shift(); action; action = this.#queue.shift()) this.#perform(action);
    } finally {
      this.#running = false;
    }
  }

  queuedBytes(stream: StreamHandle): number {
    return this.#streams.get(stream)?.queuedBytes ?? this.#control.queuedBytes;
  }

  observer(stream: StreamHandle): RequestObserver | undefined {
    return this.#observers.get(stream);
  }

  sendDatagram(bytes: Uint8Array, maxAgeMs: number): void {
    this.#datagrams.send(bytes, maxAgeMs);
  }

  // --- For open-connection.ts ---

  /** A handle for a request of ours, with the observer that will hear of it. */
  prepare<T extends RequestObserver>(
    make: (stream: StreamHandle) => T,
  ): { stream: StreamHandle; observer: T } {
    const stream = this.#nextStream++;
    const observer = make(stream);
    this.#observers.set(stream, observer);
    return { stream, observer };
  }

  // --- Actions ---

  #perform(action: SessionAction): void {
    switch (action.type) {
      case "send-control":
        this.#control.send(action.message);
        return;
      case "open-request":
        void this.#openRequest(action.stream, this.codec.encodeMessage(action.message));
        return;
      case "send":
        this.#streams.get(action.stream)?.send(this.codec.encodeMessage(action.message, action.requestId));
        return;
      case "finish":
        this.#streams.get(action.stream)?.finish();
        return;
      case "abort":
        this.#streams.get(action.stream)?.abort(action.code);
        return;
      case "set-timer":
        {
          const { timer, stream, delayMs } = action;
          this.#timers.set(timerKey(timer, stream), delayMs, () => {
            this.handle({ type: "timer", timer, ...(stream !== undefined && { stream }) });
          });
        }
        return;
      case "clear-timer":
        this.#timers.clear(timerKey(action.timer, action.stream));
        return;
      case "open":
        this.#opened.resolve(action.setup);
        return;
      case "accepted":
        this.#tell(() => this.#observers.get(action.stream)?.onAccepted?.(action.message));
        return;
      case "update-answered":
        this.#observers.get(action.stream)?.onUpdateAnswered?.(action.message);
        return;
      case "requested":
        this.#observers.set(action.stream, { onEnded: ignore });
        this.#options.serving.receive(this, action.stream, action.message, (observer) => {
          if (this.#observers.has(action.stream)) this.#observers.set(action.stream, observer);
          // The application took its time and the peer is gone: what it accepted is over already.
          else observer.onEnded({ cause: "cancelled-by-peer", error: requestOver() });
        });
        return;
      case "updated":
        this.#tell(() => this.#observers.get(action.stream)?.onUpdated?.(action.parameters));
        return;
      case "namespace-added":
      case "namespace-removed": {
        const added = action.type === "namespace-added";
        this.#tell(() => this.#observers.get(action.stream)?.onNamespace?.(added, action.suffix));
        return;
      }
      case "publish-blocked":
        this.#tell(() => this.#observers.get(action.stream)?.onBlocked?.(action.suffix, action.name));
        return;
      case "goaway": {
        const { newUri, timeoutMs, stream } = action;
        this.#tell(() => {
          if (stream === undefined) this.onGoaway?.({ newUri, timeoutMs: Number(timeoutMs) });
          else this.#observers.get(stream)?.onGoaway?.(newUri, timeoutMs);
        });
        return;
      }
      case "aliases-changed":
        this.unknownAliases.changed();
        return;
      case "ended":
        this.#requestEnded(action);
        return;
      case "closed":
        this.#close(action);
    }
  }

  /** Runs application code; what it throws is reported as unhandled, and the session goes on. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (thrown) {
      void Promise.reject(thrown);
    }
  }

  #requestEnded({ stream, end }: Extract<SessionAction, { type: "ended" }>): void {
    const observer = this.#observers.get(stream);
    this.#observers.delete(stream);
    this.#timers.clear(timerKey("goaway", stream));
    if (!observer) return;
    for (const receiver of [...(observer.receivers ?? [])]) receiver.stop(streamResets.cancelled, end.error);
    this.#tell(() => observer.onEnded(end));
  }

  // --- Streams of the peer ---

  async #acceptAll<T>(streams: ReadableStream<T>, take: (stream: T) => void): Promise<void> {
    const reader = streams.getReader();
    this.#readers.add(reader);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#over) return;
        take(value);
      }
    } catch {
      // The session ended; port.closed says why.
    } finally {
      this.#readers.delete(reader);
    }
  }

  /** Classifies a unidirectional stream by its first bytes and reads it to its end. */
  async #receive(stream: ReadableStream<Uint8Array>): Promise<void> {
    const reader = stream.getReader();
    this.#readers.add(reader);
    try {
      let head: Uint8Array | undefined;
      for (;;) {
        const { done, value } = await reader.read();
        // A stream that ends before it says what it is has nothing to say.
        if (done || this.#over) return;
        head = head ? concat(head, value) : value;
        const kind = this.codec.peekUniStream(head);
        if (kind === undefined) continue;
        if (kind === "control") await this.#control.read?.(reader, head);
        else await new DataReceiver(this, reader).run(head);
        return;
      }
    } catch (thrown) {
      if (thrown instanceof CountersignError) this.handle({ type: "broken", error: thrown });
    } finally {
      this.#readers.delete(reader);
    }
  }

  #acceptRequest(stream: BidiStream): void {
    this.#watch(this.#nextStream++, true).attach(stream, this.codec.controlDecoder("request"));
  }

  async #openRequest(stream: StreamHandle, first: Uint8Array): Promise<void> {
    const requestStream = this.#watch(stream, false);
    requestStream.send(first);
    try {
      const bidi = await this.port.createBidirectionalStream();
      if (this.#over) requestStream.abort(streamResets["session-closed"]);
      requestStream.attach(bidi, this.codec.controlDecoder("request"));
    } catch (thrown) {
      const error = new CountersignError("session-closed", "No stream can be opened for a request.", {
        cause: thrown,
      });
      this.handle({ type: "cancel", stream, code: streamResets.cancelled, error });
      this.#streams.delete(stream);
    }
  }

  #watch(stream: StreamHandle, ofPeer: boolean): RequestStream {
    let first = ofPeer;
    const requestStream = new RequestStream(this.clock, {
      message: (message) => {
        this.handle({ type: first ? "request-opened" : "request-message", stream, message });
        first = false;
      },
      finished: () => {
        // A stream without a message asked for nothing.
        if (first) requestStream.abort(streamResets.cancelled);
        else this.handle({ type: "request-finished", stream });
      },
      cancelled: (code) => {
        if (first) requestStream.abort(streamResets.cancelled);
        else this.handle({ type: "request-cancelled", stream, ...(code !== undefined && { code }) });
      },
      broken: (error) => this.handle({ type: "broken", error }),
      gone: () => this.#streams.delete(stream),
    });
    this.#streams.set(stream, requestStream);
    return requestStream;
  }

  // --- The end ---

  #transportClosed(closeCode: number, reason: string): void {
    if (closeCode === 0) {
      this.handle({ type: "transport-closed" });
      return;
    }
    const name = sessionErrorName(closeCode);
    const error = new CountersignError(
      "session-closed",
      `The peer closed the session: ${name}${reason ? ` (${reason})` : ""}.`,
      {
        protocolCode: closeCode,
        section: `${this.codec.draft} §3.5`,
      },
    );
    this.handle({ type: "transport-closed", error });
  }

  #connectionLost(thrown: unknown): void {
    const error = new CountersignError("session-closed", "The connection was lost.", {
      cause: thrown,
      hint: "The network changed or the relay went away; connect again.",
    });
    this.handle({ type: "transport-closed", error });
  }

  #close(action: Extract<SessionAction, { type: "closed" }>): void {
    this.#over = true;
    this.#timers.clearAll();
    this.unknownAliases.clear();
    const code = streamResets["session-closed"];
    for (const stream of [...this.#streams.values()]) stream.abort(code);
    this.#streams.clear();
    this.#control.destroy();
    for (const reader of [...this.#readers]) handled(reader.cancel(streamErrorReason(code)));
    this.#datagrams.destroy();
    if (action.tellPeer) this.port.close({ closeCode: action.code, reason: action.reason });
    const { error, byUs } = action;
    this.#opened.reject(
      error ?? new CountersignError("session-closed", "The session was closed before it was set up."),
    );
    this.#closed.resolve({ error, byUs });
  }
}

function requestOver(): CountersignError {
  return new CountersignError("session-closed", "The request was over before it was answered.");
}

function timerKey(timer: TimerName, stream: StreamHandle | undefined): string {
  return `${timer} ${stream ?? ""}`;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.byteLength + b.byteLength);
  joined.set(a);
  joined.set(b, a.byteLength);
  return joined;
}
