/** Control messages of drafts 14 to 16 on a stream: a type, a 16-bit length and that many bytes (draft-16 §9, draft-14 §9). */
import { type Cursor, cursorOver, INCOMPLETE, remaining } from "../cursor.ts";
import { tryQuicVarint, writeQuicVarint } from "../quic-varint.ts";
import type { VarInt } from "../varint.ts";
import { finish, newWriter, unencodable, type Writer, writeBytes, writeU16 } from "../writer.ts";
import { malformed } from "./faults.ts";

const MAX_PAYLOAD_BYTES = 0xffff;
/** A buffer larger than this is given back once its messages are read. */
const KEPT_BUFFER_BYTES = 4096;

/** How one type of message is read: from a cursor over exactly its payload, in its clause. */
export interface MessageReader<M> {
  readonly section: string;
  /** The length field of PUBLISH and its answers is printed as a varint in draft-14; implementations agree that it is 16 bits as everywhere. */
  read(cursor: Cursor): M;
}

export function frame(id: number, write: (writer: Writer) => void): Uint8Array<ArrayBuffer> {
  const body = newWriter();
  write(body);
  if (body.length > MAX_PAYLOAD_BYTES) {
    throw unencodable(`This message would be ${body.length} bytes; it holds ${MAX_PAYLOAD_BYTES}.`);
  }
  const writer = newWriter(body.length + 6);
  writeQuicVarint(writer, id);
  writeU16(writer, body.length);
  writeBytes(writer, body.bytes.subarray(0, body.length));
  return finish(writer);
}

/**
 * Decoder of one stream of messages. `readerOf` throws for a type that has no place there, before the rest of the message has come. It holds at most
 * the chunk being read and one partial message.
 */
export class MessageDecoder<M> {
  readonly #section: string;
  readonly #readerOf: (id: VarInt) => MessageReader<M>;
  #buffer = new Uint8Array(256);
  #start = 0;
  #end = 0;

  constructor(section: string, readerOf: (id: VarInt) => MessageReader<M>) {
    this.#section = section;
    this.#readerOf = readerOf;
  }

  get idle(): boolean {
    return this.#start === this.#end;
  }

  push(chunk: Uint8Array): void {
    const held = this.#end - this.#start;
    if (this.#end + chunk.length > this.#buffer.length) {
      const target =
        held + chunk.length > this.#buffer.length
          ? new Uint8Array(Math.max(held + chunk.length, this.#buffer.length * 2))
          : this.#buffer;
      target.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = target;
      this.#start = 0;
      this.#end = held;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  next(): M | undefined {
    const cursor = cursorOver(this.#buffer, this.#section);
    cursor.pos = this.#start;
    cursor.end = this.#end;
    const id = tryQuicVarint(cursor);
    if (id === INCOMPLETE) return undefined;
    const reader = this.#readerOf(id);
    if (remaining(cursor) < 2) return undefined;
    const length = (this.#buffer[cursor.pos]! << 8) | this.#buffer[cursor.pos + 1]!;
    cursor.pos += 2;
    if (remaining(cursor) < length) return undefined;
    // A copy of its own: names and tokens of the message are views of it and outlive this buffer.
    const payload = this.#buffer.slice(cursor.pos, cursor.pos + length);
    this.#start = cursor.pos + length;
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
      if (this.#buffer.length > KEPT_BUFFER_BYTES) this.#buffer = new Uint8Array(256);
    }
    const within = cursorOver(payload, reader.section);
    const message = reader.read(within);
    if (remaining(within) !== 0) {
      throw malformed(within, `The peer's message is longer than its fields by ${remaining(within)} bytes.`);
    }
    return message;
  }
}
