/**
 * Message parameters of drafts 14 to 16: Key-Value-Pairs behind a count.
 *
 * A parameter in a message where it has no place is ignored (draft-16 §9.2.2, draft-14 §9.2.1). One that is not known at all is ignored in
 * drafts 14 and 15 and ends the session in draft-16 (§9.2). What we would send and the draft does not have (rendezvous, fill and subgroup
 * delivery timeouts) is left out: the peer then behaves as if it had not been asked.
 */
import { type Cursor, cursorOver, remaining } from "../cursor.ts";
import type { AuthToken, KeyValue, Parameters } from "../messages.ts";
import { writeQuicVarint } from "../quic-varint.ts";
import type { VarInt } from "../varint.ts";
import { finish, newWriter, type Writer } from "../writer.ts";
import { malformed, violation } from "./faults.ts";
import { readFilter, readLocation, writeFilter, writeLocation } from "./fields.ts";
import { checkTrackValue, type PairTypes, readPair, sorted, writePairs } from "./key-values.ts";
import { readPairCount } from "./setup.ts";
import { decodeToken, encodeToken } from "./tokens.ts";

export const PARAMETER = {
  deliveryTimeout: 0x02,
  token: 0x03,
  maxCacheDuration: 0x04,
  expires: 0x08,
  largestObject: 0x09,
  publisherPriority: 0x0e,
  forward: 0x10,
  subscriberPriority: 0x20,
  filter: 0x21,
  groupOrder: 0x22,
  dynamicGroups: 0x30,
  newGroupRequest: 0x32,
} as const;

export type ParameterType = (typeof PARAMETER)[keyof typeof PARAMETER];

/** What one message may carry. */
export interface MessageParameters {
  readonly own: ReadonlySet<number>;
  /**
   * What speaks of the track rather than of the request. Drafts 14 and 15 have no track extensions and put these among the parameters, under
   * the numbers that later became those of extensions; so they are told as track properties.
   */
  readonly track: ReadonlySet<number>;
}

export interface ParameterDialect {
  readonly pairTypes: PairTypes;
  /** Every parameter that the draft defines. */
  readonly defined: ReadonlySet<number>;
  /** A parameter that is not defined, or a delivery timeout of 0, ends the session (16), else it is ignored. */
  readonly strict: boolean;
}

export type MutableParameters = { -readonly [K in keyof Parameters]: Parameters[K] };

export interface ReadParameters {
  readonly parameters: MutableParameters;
  readonly trackProperties: readonly KeyValue[];
}

export function readParameters(
  cursor: Cursor,
  allowed: MessageParameters,
  dialect: ParameterDialect,
): ReadParameters {
  const parameters: MutableParameters = {};
  const tokens: AuthToken[] = [];
  const track: KeyValue[] = [];
  const seen = new Set<VarInt>();
  const unparsable = () =>
    malformed(cursor, "The peer sent parameters that cannot be parsed.", "key-value-formatting-error");
  const count = readPairCount(cursor);
  let previous: VarInt = 0;
  for (let i = 0; i < count; i++) {
    const pair = readPair(cursor, previous, dialect.pairTypes, unparsable);
    const { type } = pair;
    previous = type;
    if (typeof type === "bigint" || !dialect.defined.has(type)) {
      if (!dialect.strict) continue;
      throw violation(cursor, `The peer sent the unknown parameter ${type}.`);
    }
    if (seen.has(type) && type !== PARAMETER.token)
      throw violation(cursor, `The peer sent parameter ${type} twice.`);
    seen.add(type);
    if (type === PARAMETER.deliveryTimeout && pair.value === 0) {
      if (dialect.strict) throw violation(cursor, "The peer sent DELIVERY_TIMEOUT 0.");
      continue;
    }
    if (allowed.track.has(type)) {
      checkTrackValue(cursor, pair);
      track.push(pair);
    } else if (!allowed.own.has(type)) continue;
    else if (type === PARAMETER.token) tokens.push(decodeToken(bytesOf(pair), cursor.section));
    else readOne(cursor, pair, parameters);
  }
  if (tokens.length > 0) parameters.authorizationTokens = tokens;
  return { parameters, trackProperties: sorted(track) };
}

function bytesOf({ value }: KeyValue): Uint8Array {
  return value as Uint8Array;
}

function readOne(cursor: Cursor, pair: KeyValue, into: MutableParameters): void {
  const { type } = pair;
  // Even types carry integers, odd ones bytes: readPair() saw to it.
  const value = pair.value as VarInt;
  switch (type) {
    case PARAMETER.deliveryTimeout:
      into.objectDeliveryTimeoutMs = value;
      return;
    case PARAMETER.expires:
      into.expiresMs = value;
      return;
    case PARAMETER.largestObject: {
      const within = cursorOver(bytesOf(pair), cursor.section);
      into.largestObject = readLocation(within, "LARGEST_OBJECT");
      if (remaining(within) > 0) throw formatting(cursor, "LARGEST_OBJECT");
      return;
    }
    case PARAMETER.forward:
      if (value !== 0 && value !== 1)
        throw violation(cursor, `The peer sent FORWARD ${value}; it is 0 or 1.`);
      into.forward = value === 1;
      return;
    case PARAMETER.subscriberPriority:
      if (value > 255)
        throw violation(cursor, `The peer sent SUBSCRIBER_PRIORITY ${value}; it is at most 255.`);
      into.subscriberPriority = Number(value);
      return;
    case PARAMETER.filter: {
      const within = cursorOver(bytesOf(pair), cursor.section);
      into.filter = readFilter(within);
      if (remaining(within) > 0)
        throw violation(cursor, "The peer sent a subscription filter with bytes left over.");
      return;
    }
    case PARAMETER.groupOrder:
      if (value !== 1 && value !== 2)
        throw violation(cursor, `The peer sent GROUP_ORDER ${value}; it is 1 or 2.`);
      into.groupOrder = value === 1 ? "ascending" : "descending";
      return;
    case PARAMETER.newGroupRequest:
      into.newGroupRequest = value;
  }
}

function formatting(cursor: Cursor, name: string) {
  return malformed(cursor, `The peer sent ${name} with bytes left over.`, "key-value-formatting-error");
}

/** What of both has a place in this message, as pairs in ascending order. */
export function writeParameters(
  writer: Writer,
  parameters: Parameters,
  allowed: MessageParameters,
  pairTypes: PairTypes,
  trackProperties: readonly KeyValue[] = [],
): void {
  const pairs: KeyValue[] = [];
  const put = (type: ParameterType, value: VarInt | Uint8Array | undefined) => {
    if (value !== undefined && allowed.own.has(type)) pairs.push({ type, value });
  };
  const { objectDeliveryTimeoutMs, largestObject, filter, forward, groupOrder } = parameters;
  // 0 means none where we come from and may not be sent here (draft-16 §9.2.2.2).
  if (objectDeliveryTimeoutMs !== 0) put(PARAMETER.deliveryTimeout, objectDeliveryTimeoutMs);
  for (const token of parameters.authorizationTokens ?? []) put(PARAMETER.token, encodeToken(token));
  put(PARAMETER.expires, parameters.expiresMs);
  put(PARAMETER.largestObject, largestObject && written((to) => writeLocation(to, largestObject)));
  put(PARAMETER.forward, forward === undefined ? undefined : Number(forward));
  put(PARAMETER.subscriberPriority, parameters.subscriberPriority);
  put(PARAMETER.filter, filter && written((to) => writeFilter(to, filter)));
  put(PARAMETER.groupOrder, groupOrder === undefined ? undefined : groupOrder === "ascending" ? 1 : 2);
  put(PARAMETER.newGroupRequest, parameters.newGroupRequest);
  for (const pair of trackProperties) if (allowed.track.has(Number(pair.type))) pairs.push(pair);
  writeQuicVarint(writer, pairs.length);
  writePairs(writer, sorted(pairs), pairTypes);
}

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = newWriter(32);
  write(writer);
  return finish(writer);
}
