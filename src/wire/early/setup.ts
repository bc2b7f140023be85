/** The parameters of CLIENT_SETUP and SERVER_SETUP (draft-16 §9.3, draft-14 §9.3), behind the version list that draft-14 has. */
import { utf8DecodeLossy, utf8Encode } from "../../utf8.ts";
import type { Cursor } from "../cursor.ts";
import { remaining } from "../cursor.ts";
import type { AuthToken, KeyValue, SetupMessage } from "../messages.ts";
import { readQuicVarint, writeQuicVarint } from "../quic-varint.ts";
import type { VarInt } from "../varint.ts";
import { unencodable, type Writer } from "../writer.ts";
import { malformed, violation } from "./faults.ts";
import { type PairTypes, readPair, sorted, writePairs } from "./key-values.ts";
import { decodeToken, encodeToken } from "./tokens.ts";

/** What a draft writes its setup parameters with. */
export interface SetupDialect {
  readonly pairTypes: PairTypes;
  /**
   * AUTHORITY is parameter 5. Draft-14 gave that number to MOQT_IMPLEMENTATION as well; over WebTransport, where AUTHORITY may not be used, it can
   * only be the latter. We send ours as 7, as all later drafts have it.
   */
  readonly authority: boolean;
}

const PARAMETER = {
  path: 0x01,
  maxRequestId: 0x02,
  token: 0x03,
  maxCache: 0x04,
  authority: 0x05,
  implementation: 0x07,
} as const;
const known: ReadonlySet<VarInt> = new Set(Object.values(PARAMETER));

/** A count of pairs, refused before it is counted to when the message is too short for it: each takes at least two bytes. */
export function readPairCount(cursor: Cursor): number {
  const count = readQuicVarint(cursor, "the number of parameters");
  if (count > remaining(cursor) / 2) {
    throw malformed(cursor, `The peer announced ${count} parameters in a message too short for them.`);
  }
  return Number(count);
}

export function readSetup(cursor: Cursor, dialect: SetupDialect): SetupMessage {
  let setup: { -readonly [K in keyof SetupMessage]: SetupMessage[K] } = { type: "setup" };
  const authorizationTokens: AuthToken[] = [];
  const unknown: KeyValue[] = [];
  const seen = new Set<VarInt>();
  const count = readPairCount(cursor);
  let previous: VarInt = 0;
  const unparsable = () =>
    malformed(cursor, "The peer sent setup parameters that cannot be parsed.", "key-value-formatting-error");
  for (let i = 0; i < count; i++) {
    const pair = readPair(cursor, previous, dialect.pairTypes, unparsable);
    const { type, value } = pair;
    previous = type;
    if (!known.has(type)) {
      unknown.push(pair);
      continue;
    }
    if (seen.has(type) && type !== PARAMETER.token)
      throw violation(cursor, `The peer sent setup parameter ${type} twice.`);
    seen.add(type);
    if (typeof value !== "object") {
      setup =
        type === PARAMETER.maxRequestId
          ? { ...setup, maxRequestId: value }
          : { ...setup, maxAuthTokenCacheSize: value };
    } else if (type === PARAMETER.token) {
      authorizationTokens.push(decodeToken(value, cursor.section));
    } else if (type === PARAMETER.path) {
      setup.path = utf8DecodeLossy(value);
    } else if (type === PARAMETER.authority && dialect.authority) {
      setup.authority = utf8DecodeLossy(value);
    } else {
      setup.implementation = utf8DecodeLossy(value);
    }
  }
  if (authorizationTokens.length > 0) setup.authorizationTokens = authorizationTokens;
  if (unknown.length > 0) setup.unknown = sorted(unknown);
  return setup;
}

export function writeSetup(writer: Writer, setup: SetupMessage, dialect: SetupDialect): void {
  const pairs: KeyValue[] = [...(setup.unknown ?? [])];
  for (const { type } of pairs)
    if (known.has(type)) throw unencodable(`Setup parameter ${type} is a known one.`);
  if (setup.path !== undefined) pairs.push({ type: PARAMETER.path, value: utf8Encode(setup.path) });
  if (setup.maxRequestId !== undefined)
    pairs.push({ type: PARAMETER.maxRequestId, value: setup.maxRequestId });
  for (const token of setup.authorizationTokens ?? [])
    pairs.push({ type: PARAMETER.token, value: encodeToken(token) });
  if (setup.maxAuthTokenCacheSize !== undefined) {
    pairs.push({ type: PARAMETER.maxCache, value: setup.maxAuthTokenCacheSize });
  }
  if (setup.authority !== undefined && dialect.authority) {
    pairs.push({ type: PARAMETER.authority, value: utf8Encode(setup.authority) });
  }
  if (setup.implementation !== undefined) {
    pairs.push({ type: PARAMETER.implementation, value: utf8Encode(setup.implementation) });
  }
  writeQuicVarint(writer, pairs.length);
  writePairs(writer, sorted(pairs), dialect.pairTypes);
}
