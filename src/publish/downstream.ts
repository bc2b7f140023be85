/**
 * One subscriber of one track, as its server sees it: which objects it wants, on which streams they go out, and how much of it
 * may wait for a slow reader.
 */
import type { PublishedTrack, SubgroupWriter } from "../transport/connection.ts";
import { ignore } from "../transport/stream-errors.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";

/**
 * Bytes that may wait for one subscriber. Past it the stream being written is reset with TOO_FAR_BEHIND (draft-18 §3.3.3) and its
 * subgroup is given up for this subscriber; later groups go on. 8 MiB is over ten seconds of a 6 Mb/s rendition.
 */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

const RESET_TOO_FAR_BEHIND = 0x5;
const RESET_CANCELLED = 0x1;

/** What the header of an outgoing subgroup must say. */
export interface SubgroupFlags {
  readonly endOfGroup: boolean;
  readonly firstObject: boolean;
  readonly priority: number | undefined;
}

interface OutgoingStream {
  readonly group: VarInt;
  /** Undefined once given up. */
  writer: Promise<SubgroupWriter> | undefined;
  tail: Promise<unknown>;
  last: VarInt | undefined;
}

export class Downstream {
  /** Resolves when the subscriber is gone. */
  readonly ended: Promise<void>;
  readonly #published: PublishedTrack;
  readonly #sent: () => void;
  /** By group and subgroup. Ended and given-up streams stay until their group is old, so that a late copy never reopens one. */
  readonly #streams = new Map<string, OutgoingStream>();
  #queuedBytes = 0;
  #closed = false;

  /** `sent` is told of each object that was written out. */
  constructor(published: PublishedTrack, sent: () => void = () => undefined) {
    this.#published = published;
    this.#sent = sent;
    this.ended = published.cancelled;
    void published.cancelled.then(() => this.close());
  }

  offer(object: MoqObject, flags: SubgroupFlags): void {
    if (this.#closed || !this.#published.wants(object)) return;
    if (object.subgroup === undefined) {
      this.#published.sendDatagram(object, false);
      this.#sent();
      return;
    }
    const stream = this.#stream(object, flags);
    // Ids only rise within a stream, and a subgroup is never split over two: what comes too late for it is left to FETCH.
    if (!stream.writer || (stream.last !== undefined && object.object <= stream.last)) return;
    const size = object.payload.byteLength;
    if (this.#queuedBytes + size > MAX_QUEUED_BYTES) {
      this.#giveUp(stream, RESET_TOO_FAR_BEHIND);
      return;
    }
    stream.last = object.object;
    this.#queuedBytes += size;
    const writer = stream.writer;
    stream.tail = stream.tail
      .then(() => writer)
      .then((open) => open.write(object))
      .then(() => this.#sent())
      .catch(() => {
        stream.writer = undefined;
      })
      .finally(() => {
        this.#queuedBytes -= size;
      });
  }

  /** The subgroup ended upstream: cleanly, or not. */
  endSubgroup(group: VarInt, subgroup: VarInt, clean: boolean, resetCode: number = RESET_CANCELLED): void {
    const stream = this.#streams.get(streamKey(group, subgroup));
    if (!stream?.writer) return;
    if (!clean) {
      this.#giveUp(stream, resetCode);
      return;
    }
    const writer = stream.writer;
    stream.writer = undefined;
    stream.tail = stream.tail
      .then(() => writer)
      .then((open) => open.close())
      .catch(ignore);
  }

  /** Forgets streams of groups before `group`. */
  forgetBefore(group: VarInt): void {
    for (const [key, stream] of this.#streams) {
      if (stream.group < group) this.#streams.delete(key);
    }
  }

  /** PUBLISH_DONE after everything queued went out. */
  async done(statusCode: number, reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#streams.values()].map((stream) => stream.tail));
    await this.#published.done(statusCode, reason).catch(ignore);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.#streams.values()) this.#giveUp(stream, RESET_CANCELLED);
    this.#streams.clear();
  }

  #stream(object: MoqObject, flags: SubgroupFlags): OutgoingStream {
    const subgroup = object.subgroup ?? 0;
    const key = streamKey(object.group, subgroup);
    let stream = this.#streams.get(key);
    if (!stream) {
      const writer = this.#published.openSubgroup({
        group: object.group,
        subgroup,
        endOfGroup: flags.endOfGroup,
        firstObject: flags.firstObject,
        hasProperties: object.properties.byteLength > 0,
        ...(flags.priority !== undefined && { priority: flags.priority }),
      });
      writer.catch(ignore);
      stream = { group: object.group, writer, tail: Promise.resolve(), last: undefined };
      this.#streams.set(key, stream);
    }
    return stream;
  }

  #giveUp(stream: OutgoingStream, code: number): void {
    const writer = stream.writer;
    stream.writer = undefined;
    void writer?.then((open) => open.reset(code)).catch(ignore);
  }
}

function streamKey(group: VarInt, subgroup: VarInt): string {
  return `${group}/${subgroup}`;
}
