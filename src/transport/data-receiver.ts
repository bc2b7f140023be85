/**
 * One incoming data stream: bytes pushed through the decoder straight into the sink of the subscription or fetch it belongs to.
 *
 * The cost that matters is per object, so there is one `await` per read and a plain call per object; payloads are views of what was read.
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import type { StreamHandle } from "../session/types.ts";
import { sessionErrors, streamResets } from "../wire/codes.ts";
import type {
  DataStreamDecoder,
  DataStreamSink,
  FetchGap,
  MoqObject,
  ObjectStart,
  SubgroupHeader,
} from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { ObjectSink } from "./connection.ts";
import type { Host, RequestObserver } from "./host.ts";
import { handled, streamErrorReason, streamResetError } from "./stream-errors.ts";

export class DataReceiver implements DataStreamSink {
  readonly #host: Host;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder: DataStreamDecoder;
  #header: SubgroupHeader | undefined;
  #group: VarInt = 0;
  #subgroup: VarInt | undefined;
  #stream: StreamHandle | undefined;
  #observer: RequestObserver | undefined;
  #sink: ObjectSink | undefined;
  /** What came before the alias was known. */
  #held: (MoqObject | FetchGap)[] | undefined;
  /** Nobody wants this stream. */
  #unwanted = false;
  #stopped = false;
  /** What the application's sink threw. */
  #sinkError: CountersignError | undefined;

  constructor(host: Host, reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#host = host;
    this.#reader = reader;
    this.#decoder = host.codec.dataStreamDecoder(this, host.maxObjectBytes);
  }

  /** Reads the stream to its end, beginning with the bytes that were read to classify it. Never rejects. */
  async run(first: Uint8Array): Promise<void> {
    let chunk = first;
    for (;;) {
      if (!this.#push(() => this.#decoder.push(chunk))) return;
      if (this.#held && !(await this.#awaitAlias(chunk.byteLength))) return;
      if (this.#unwanted) return this.stop(streamResets.cancelled);
      const ready = this.#sink?.ready?.();
      if (ready) await ready;
      let result: ReadableStreamReadResult<Uint8Array>;
      try {
        result = await this.#reader.read();
      } catch (thrown) {
        this.#end({ complete: false, error: streamResetError("A data stream", thrown) });
        return;
      }
      if (this.#stopped) return;
      this.#host.received();
      if (result.done) {
        if (this.#push(() => this.#decoder.finish())) this.#end({ complete: true });
        return;
      }
      chunk = result.value;
    }
  }

  /** Gives the stream up: STOP_SENDING with `code`. */
  stop(code: number, error?: CountersignError): void {
    if (this.#stopped) return;
    handled(this.#reader.cancel(streamErrorReason(code)));
    this.#end({ complete: false, ...(error && { error }) });
  }

  /** Runs the decoder; false when the stream is over because of what it found. */
  #push(decode: () => void): boolean {
    try {
      decode();
    } catch (thrown) {
      if (!(thrown instanceof CountersignError)) throw thrown;
      this.#refuse(thrown);
      return false;
    }
    if (this.#sinkError) {
      this.stop(streamResets["internal-error"], this.#sinkError);
      return false;
    }
    return !this.#stopped;
  }

  /** With a protocol code the session ends; without, only as much as the error condemns (wire/objects.ts, DataStreamDecoder). */
  #refuse(error: CountersignError): void {
    const stream = this.#stream;
    this.stop(
      error.code === "malformed-track" ? streamResets["malformed-track"] : streamResets["excessive-load"],
      error,
    );
    if (error.protocolCode !== undefined) this.#host.handle({ type: "broken", error });
    else if (error.code === "malformed-track" && stream !== undefined) {
      this.#host.handle({ type: "cancel", stream, code: streamResets["malformed-track"], error });
    }
  }

  #end(end: { complete: boolean; error?: CountersignError }): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#held = undefined;
    const { complete, error } = end;
    this.#observer?.receivers?.delete(this);
    const stream = this.#stream;
    if (stream === undefined) return;
    try {
      this.#sink?.streamEnd?.({
        group: this.#group,
        subgroup: this.#subgroup,
        complete,
        endOfGroup: complete && this.#header?.endOfGroup === true,
        ...(error && { error }),
      });
    } catch (thrown) {
      this.#sinkFailed(thrown);
    }
    this.#host.handle({
      type: "data-ended",
      stream,
      ...(!complete && { error: error ?? streamResetError("A data stream", undefined) }),
    });
  }

  async #awaitAlias(bytes: number): Promise<boolean> {
    const alias = this.#header!.trackAlias;
    const { session, unknownAliases } = this.#host;
    const known = await unknownAliases.wait(bytes, () => session.route(alias).kind !== "unknown");
    if (this.#stopped) return false;
    if (known) this.#routeAlias(alias);
    if (!this.#sink) {
      this.stop(streamResets.cancelled);
      return false;
    }
    const held = this.#held ?? [];
    this.#held = undefined;
    return this.#push(() => {
      for (const item of held) {
        if ("kind" in item) this.gap(item);
        else if (item.status !== "normal" || this.accept(startOf(item))) this.object(item);
      }
    });
  }

  #routeAlias(alias: VarInt): void {
    const route = this.#host.session.route(alias);
    if (route.kind === "subscription") this.#attach(route.stream);
    else if (route.kind === "discard") this.#unwanted = true;
    else this.#held = [];
  }

  #attach(stream: StreamHandle): void {
    const observer = this.#host.observer(stream);
    if (!observer?.sink) {
      this.#unwanted = true;
      return;
    }
    this.#stream = stream;
    this.#observer = observer;
    this.#sink = observer.sink;
    observer.receivers?.add(this);
    this.#host.handle({ type: "data-started", stream });
    if (this.#header === undefined || this.#stopped) return;
    try {
      observer.sink.streamStart?.(this.#header);
    } catch (thrown) {
      this.#sinkFailed(thrown);
    }
  }

  subgroup(header: SubgroupHeader): void {
    this.#header = header;
    this.#group = header.group;
    this.#subgroup = header.subgroup;
    this.#routeAlias(header.trackAlias);
  }

  fetch(requestId: VarInt): void {
    const route = this.#host.session.routeFetch(requestId);
    if (route.kind !== "subscription") {
      this.#unwanted = true;
      return;
    }
    const receivers = this.#host.observer(route.stream)?.receivers;
    if (receivers && receivers.size > 0) {
      throw new CountersignError("protocol-violation", "A second stream answers the same FETCH.", {
        protocolCode: sessionErrors["protocol-violation"],
        section: "draft-ietf-moq-transport-18 §10.12.3",
      });
    }
    this.#attach(route.stream);
  }

  fetchOrder(): "ascending" | "descending" {
    return this.#observer?.fetchOrder ?? "ascending";
  }

  accept(start: ObjectStart): boolean {
    if (this.#held) return true;
    const sink = this.#sink;
    if (!sink || this.#stopped || this.#sinkError) return false;
    if (!sink.accept) return true;
    try {
      return sink.accept(start);
    } catch (thrown) {
      this.#sinkFailed(thrown);
      return false;
    }
  }

  object(object: MoqObject): void {
    if (this.#held) {
      this.#held.push(object);
      return;
    }
    const sink = this.#sink;
    if (!sink || this.#stopped || this.#sinkError) return;
    this.#group = object.group;
    this.#subgroup = object.subgroup;
    try {
      sink.object(object);
    } catch (thrown) {
      this.#sinkFailed(thrown);
    }
  }

  gap(gap: FetchGap): void {
    if (!this.#sink || this.#stopped || this.#sinkError) return;
    this.#group = gap.group;
    try {
      this.#sink.gap?.(gap);
    } catch (thrown) {
      this.#sinkFailed(thrown);
    }
  }

  /** A fault of the application is not the peer's: it costs this stream, not the session. */
  #sinkFailed(thrown: unknown): void {
    this.#sinkError ??= toCountersignError(thrown, "internal");
  }
}

function startOf(object: MoqObject): ObjectStart {
  return { group: object.group, object: object.object, payloadLength: object.payload.byteLength };
}
