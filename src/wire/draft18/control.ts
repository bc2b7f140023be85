/** Control and request streams (draft-18 §10): messages of a type, a 16-bit length and that many bytes. */
import type { ControlDecoder } from "../codec.ts";
import { cursorOver, INCOMPLETE, remaining, tryVi64 } from "../cursor.ts";
import type { ControlMessage } from "../messages.ts";
import { finish, newWriter, unencodable, writeBytes, writeU16, writeVi64 } from "../writer.ts";
import type { Dialect } from "./dialect.ts";
import { decodePayload, messageId, messageTypeOf, writePayload } from "./messages.ts";
import { clause, violation } from "./violation.ts";

/** The length field has 16 bits (§10). */
const MAX_PAYLOAD_BYTES = 0xffff;
/** A buffer larger than this is given back once its messages are read: streams live long and seldom carry much. */
const KEPT_BUFFER_BYTES = 4096;

export function encodeMessage(message: ControlMessage, dialect: Dialect): Uint8Array<ArrayBuffer> {
  const body = newWriter();
  writePayload(body, message, dialect);
  if (body.length > MAX_PAYLOAD_BYTES) {
    throw unencodable(
      `This ${message.type} would be ${body.length} bytes; a message holds ${MAX_PAYLOAD_BYTES}.`,
      clause("§10"),
    );
  }
  const writer = newWriter(body.length + 11);
  writeVi64(writer, messageId(message.type));
  writeU16(writer, body.length);
  writeBytes(writer, body.bytes.subarray(0, body.length));
  return finish(writer);
}

/**
 * Decoder of one stream. It holds at most the chunk being read and one partial message (64 KiB): the caller takes all messages after
 * each push.
 */
export function controlDecoder(stream: "control" | "request", dialect: Dialect): ControlDecoder {
  return new MessageDecoder(stream, dialect);
}

class MessageDecoder implements ControlDecoder {
  readonly #stream: "control" | "request";
  readonly #dialect: Dialect;
  #buffer = new Uint8Array(256);
  #start = 0;
  #end = 0;
  #setupSeen = false;
  #goawaySeen = false;

  constructor(stream: "control" | "request", dialect: Dialect) {
    this.#stream = stream;
    this.#dialect = dialect;
  }

  get idle(): boolean {
    return this.#start === this.#end;
  }

  push(chunk: Uint8Array): void {
    const held = this.#end - this.#start;
    if (held + chunk.length > this.#buffer.length) {
      // Doubling keeps one-byte chunks linear.
      const grown = new Uint8Array(Math.max(held + chunk.length, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = grown;
      this.#start = 0;
      this.#end = held;
    } else if (this.#end + chunk.length > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#start = 0;
      this.#end = held;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  next(): ControlMessage | undefined {
    const cursor = cursorOver(this.#buffer, clause("§10"));
    cursor.pos = this.#start;
    cursor.end = this.#end;
    const id = tryVi64(cursor);
    if (id === INCOMPLETE) return undefined;
    // Before the rest is there: an unknown message is refused without waiting for its bytes.
    const type = messageTypeOf(id, this.#stream, this.#dialect);
    this.#checkOrder(type);
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
    if (type === "setup") this.#setupSeen = true;
    if (type === "goaway") this.#goawaySeen = true;
    return decodePayload(type, payload, this.#stream, this.#dialect);
  }

  #checkOrder(type: ControlMessage["type"]): void {
    if (this.#stream === "control" && (type === "setup") === this.#setupSeen) {
      throw violation(
        "§10.3",
        `The peer sent ${type} where its control stream must ${this.#setupSeen ? "not" : "first"} carry SETUP.`,
      );
    }
    if (type === "goaway" && this.#goawaySeen)
      throw violation("§10.4", "The peer sent a second GOAWAY on one stream.");
  }
}
