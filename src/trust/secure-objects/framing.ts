/**
 * What an encrypted object looks like (draft-ietf-moq-secure-objects-01): where its key id is, what is authenticated with it, and what its plaintext holds.
 *
 *   immutable properties: Key ID (0x2), ...           payload: AEAD( vi64 length | media | [0x000A, length, encrypted properties] )
 */
import { CountersignError } from "../../errors.ts";
import { cursorOver, INCOMPLETE, tryVi64 } from "../../wire/cursor.ts";
import {
  encodeProperties,
  immutablePropertiesOf,
  parseObjectProperties,
  propertyTypes,
} from "../../wire/properties.ts";
import type { VarInt } from "../../wire/varint.ts";
import { finish, newWriter, writeVi64 } from "../../wire/writer.ts";

/** "Key ID Property": inside the Immutable Properties. Among mutable ones the number means something else. */
const KEY_ID = 0x2;

/** "Encrypted Properties List": behind the payload in the plaintext, its type in 16 bits. */
const ENCRYPTED_PROPERTIES = 0x0a;

/** Priority of an object that carries none, and whose track gives no default (draft-ietf-moq-transport-18 §12.4). */
export const DEFAULT_PRIORITY = 128;

const SECTION = "draft-ietf-moq-secure-objects-01, Object Decryption";

export function undecipherable(what: string, section = SECTION): CountersignError {
  return new CountersignError("decryption-failed", `An encrypted object cannot be read: ${what}.`, {
    section,
    hint: "The relays are not at fault, the signer signed these bytes: ask the publisher, and check that the app's keys are this broadcast's.",
  });
}

/** The properties of an object that is encrypted with this key: Immutable Properties that hold the key id. */
export function encryptedObjectProperties(keyId: VarInt): Uint8Array<ArrayBuffer> {
  const immutable = encodeProperties([{ type: KEY_ID, value: keyId }]);
  return encodeProperties([{ type: propertyTypes.immutableProperties, value: immutable }]);
}

/** The Immutable Properties as carried, and the key id among them. Throws "decryption-failed" when there is none, or two. */
export function keyIdIn(properties: Uint8Array): { readonly keyId: VarInt; readonly immutable: Uint8Array } {
  let immutable: Uint8Array | undefined;
  let ids: VarInt[] = [];
  try {
    immutable = immutablePropertiesOf(properties);
    ids = parseObjectProperties(immutable ?? new Uint8Array(0)).flatMap(({ type, value }) =>
      type === KEY_ID && typeof value !== "object" ? [value] : [],
    );
  } catch {
    throw undecipherable("its properties cannot be parsed");
  }
  const [keyId] = ids;
  if (immutable === undefined || keyId === undefined || ids.length > 1)
    throw undecipherable("it does not carry one key id", "draft-ietf-moq-secure-objects-01, Key ID Property");
  return { keyId, immutable };
}

/** SECURE_OBJECT_AAD ("Metadata Authentication"). Group and object id were checked by nonceFor(). */
export function additionalData(
  group: VarInt,
  object: VarInt,
  priority: number,
  immutable: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const aad = new Uint8Array(13 + immutable.byteLength);
  const view = new DataView(aad.buffer);
  view.setBigUint64(0, BigInt(group));
  view.setUint32(8, Number(object));
  view.setUint8(12, priority);
  aad.set(immutable, 13);
  return aad;
}

/** The plaintext of a payload. `encryptedProperties` is the list with its type and length, as it is to stand there. One copy. */
export function framePlaintext(
  payload: Uint8Array,
  encryptedProperties?: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const writer = newWriter(9);
  writeVi64(writer, payload.byteLength);
  const length = finish(writer);
  const framed = new Uint8Array(
    length.byteLength + payload.byteLength + (encryptedProperties?.byteLength ?? 0),
  );
  framed.set(length);
  framed.set(payload, length.byteLength);
  if (encryptedProperties) framed.set(encryptedProperties, length.byteLength + payload.byteLength);
  return framed;
}

/** The payload in a plaintext: a view. Throws "decryption-failed" when the plaintext is not laid out as it must be. */
export function payloadIn(plaintext: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const cursor = cursorOver(plaintext, SECTION);
  const size = tryVi64(cursor);
  const from = cursor.pos;
  if (size === INCOMPLETE || size > plaintext.byteLength - from)
    throw undecipherable("its plaintext is shorter than it says");
  const end = from + Number(size);
  if (end < plaintext.byteLength) checkList(plaintext, end);
  return plaintext.subarray(from, end);
}

/** Nothing that we play uses an encrypted property, so it is enough that the list is one and ends with the plaintext. */
function checkList(plaintext: Uint8Array, at: number): void {
  const type = at + 2 <= plaintext.byteLength ? (plaintext[at]! << 8) | plaintext[at + 1]! : -1;
  const cursor = cursorOver(plaintext, SECTION);
  cursor.pos = at + 2;
  const size = tryVi64(cursor);
  const whole = size !== INCOMPLETE && size === plaintext.byteLength - cursor.pos;
  if (type !== ENCRYPTED_PROPERTIES || !whole)
    throw undecipherable("something else follows the payload than encrypted properties");
}
