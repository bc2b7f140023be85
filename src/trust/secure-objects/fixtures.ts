/** What tests of this room share: a track, its base keys, and objects sealed with them. */
import { namespaceOf, trackOf } from "../../wire/names.ts";
import type { MoqObject } from "../../wire/objects.ts";
import type { VarInt } from "../../wire/varint.ts";
import type { Verified } from "../types.ts";
import { markVerified } from "../verified.ts";
import { ObjectCipher } from "./object-cipher.ts";
import type { CipherSuite } from "./suites.ts";

export const SUITE: CipherSuite = "AES_128_GCM_SHA256_128";
export const TRACK = trackOf(namespaceOf("example.com", "live"), "video");

/** A base key that is different for every id. */
export function baseKeyOf(keyId: VarInt): Uint8Array<ArrayBuffer> {
  return new Uint8Array(16).fill(Number(BigInt(keyId) % 251n) + 1);
}

export function asObject(
  place: { readonly group: VarInt; readonly object: VarInt },
  payload: Uint8Array,
  properties: Uint8Array = new Uint8Array(0),
  priority?: number,
): Verified<MoqObject> {
  return markVerified({ ...place, subgroup: 0, priority, status: "normal", properties, payload });
}

/** Sealed under this key id; `baseKey` where it is not {@link baseKeyOf} it. */
export async function sealed(
  keyId: VarInt,
  group: VarInt,
  object: VarInt,
  payload: Uint8Array,
  baseKey: Uint8Array = baseKeyOf(keyId),
): Promise<Verified<MoqObject>> {
  const cipher = await ObjectCipher.create(SUITE, baseKey, keyId, TRACK);
  const made = await cipher.seal(group, object, payload);
  return asObject({ group, object }, made.payload, made.properties);
}
