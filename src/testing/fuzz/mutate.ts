/** Damage to valid bytes: near enough to the real thing to get deep into a parser, far enough to be none of it. */
import { finish, newWriter, writeVi64 } from "../../wire/writer.ts";
import type { Chance } from "./chance.ts";

/** Bytes at which encodings change their meaning: lengths of integers, types of CBOR, brackets of JSON, signs. */
const TELLING = [
  0x00, 0x01, 0x0b, 0x18, 0x1b, 0x3f, 0x40, 0x5b, 0x7b, 0x7f, 0x80, 0x9f, 0xbf, 0xc0, 0xe0, 0xf0, 0xfe, 0xff,
];

/** The longest input a target is given. Enough to pass every length that is checked per field; more only takes time. */
export const MAX_INPUT_BYTES = 96 * 1024;

/** One to five changes. `others` are pieces of valid inputs that can be spliced in. */
export function mutate(
  chance: Chance,
  bytes: Uint8Array,
  others: readonly Uint8Array[] = [],
): Uint8Array<ArrayBuffer> {
  let mutant = bytes.slice();
  for (let changes = 1 + chance.below(5); changes > 0; changes--) mutant = change(chance, mutant, others);
  return mutant.length > MAX_INPUT_BYTES ? mutant.slice(0, MAX_INPUT_BYTES) : mutant;
}

function change(chance: Chance, bytes: Uint8Array<ArrayBuffer>, others: readonly Uint8Array[]) {
  // Most structure is at the front.
  const at = chance.below((chance.maybe() ? Math.min(bytes.length, 64) : bytes.length) + 1);
  const length = Math.min(bytes.length - at, 1 + chance.below(chance.maybe(0.8) ? 8 : 200));
  switch (chance.below(9)) {
    case 0:
      if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << chance.below(8));
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = chance.pick(TELLING);
      return bytes;
    case 2:
      if (at < bytes.length) bytes[at] = bytes[at]! + (chance.maybe() ? 1 : -1);
      return bytes;
    case 3:
      return replace(bytes, at, length, new Uint8Array(0));
    case 4:
      return replace(bytes, at, 0, bytes.slice(at, at + length));
    case 5:
      return replace(bytes, at, 0, chance.bytes(20));
    case 6: {
      const writer = newWriter();
      writeVi64(writer, chance.varInt());
      return replace(bytes, at, chance.maybe() ? Math.min(1, length) : 0, finish(writer));
    }
    case 7: {
      if (others.length === 0) return bytes;
      const other = chance.pick(others);
      const from = chance.below(other.length + 1);
      return replace(bytes, at, chance.maybe() ? length : 0, other.slice(from, from + chance.below(400)));
    }
    default:
      return bytes.slice(0, at);
  }
}

function replace(
  bytes: Uint8Array,
  at: number,
  removed: number,
  inserted: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length - removed + inserted.length);
  result.set(bytes.subarray(0, at));
  result.set(inserted, at);
  result.set(bytes.subarray(at + removed), at + inserted.length);
  return result;
}
