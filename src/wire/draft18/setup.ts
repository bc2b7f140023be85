/** The options of SETUP (draft-18 §10.3): Key-Value-Pairs over the whole message. */
import { utf8Decode, utf8DecodeLossy, utf8Encode } from "../../utf8.ts";
import type { AuthToken, KeyValue, SetupMessage } from "../messages.ts";
import { parseKeyValues, writeKeyValues } from "../properties.ts";
import type { VarInt } from "../varint.ts";
import { unencodable, type Writer } from "../writer.ts";
import { decodeToken, encodeToken } from "./tokens.ts";
import { clause, violation } from "./violation.ts";

/** §15.4: the options that hold bytes. Those that hold a number are a draft's own list. */
const OPTION = {
  path: 0x01,
  authorizationToken: 0x03,
  authority: 0x05,
  implementation: 0x07,
} as const;

const withBytes: ReadonlySet<VarInt> = new Set(Object.values(OPTION));

/** The fields of SETUP that are one number, each with its option's (even) type. */
export type SetupNumbers = readonly (readonly [
  name: "maxAuthTokenCacheSize" | "maxFilterRanges" | "maxRequestUpdates",
  type: number,
])[];

// RFC 3986: pchar without percent, percent triplets, then what else a path, query or authority may hold.
const PCHAR = "(?:[A-Za-z0-9\\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})";
const PATH = new RegExp(`^(?:/${PCHAR}*)*(?:\\?(?:${PCHAR}|[/?])*)?$`);
const AUTHORITY =
  /^(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})*@)?(?:\[[0-9A-Fa-f:.vV]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?$/;

export function decodeSetup(payload: Uint8Array, setupNumbers: SetupNumbers): SetupMessage {
  let path: string | undefined;
  let authority: string | undefined;
  let implementation: string | undefined;
  const numbers: { [name in SetupNumbers[number][0]]?: VarInt } = {};
  const authorizationTokens: AuthToken[] = [];
  const unknown: KeyValue[] = [];
  let previous: VarInt | undefined;
  for (const pair of parseKeyValues(payload)) {
    const { type, value } = pair;
    const number = setupNumbers.find(([, option]) => option === type);
    if (!number && !withBytes.has(type)) {
      // §10.3: unknown options are ignored, repeated ones too.
      unknown.push(pair);
      continue;
    }
    if (type === previous && type !== OPTION.authorizationToken) {
      throw violation("§10.3", `The peer sent setup option ${type} twice.`);
    }
    previous = type;
    if (typeof value === "object") {
      if (type === OPTION.path) path = readPath(value);
      else if (type === OPTION.authority) authority = readAuthority(value);
      else if (type === OPTION.implementation) implementation = utf8DecodeLossy(value);
      else authorizationTokens.push(decodeToken(value));
    } else if (number) {
      numbers[number[0]] = value;
    }
  }
  return {
    type: "setup",
    ...(authority !== undefined && { authority }),
    ...(path !== undefined && { path }),
    ...numbers,
    ...(authorizationTokens.length > 0 && { authorizationTokens }),
    ...(implementation !== undefined && { implementation }),
    ...(unknown.length > 0 && { unknown }),
  };
}

function readPath(bytes: Uint8Array): string {
  const path = utf8Decode(bytes);
  if (path === undefined || !PATH.test(path)) {
    throw violation("§10.3.1.2", "The peer sent a PATH that is not a path of a URI.", "malformed-path");
  }
  return path;
}

function readAuthority(bytes: Uint8Array): string {
  const authority = utf8Decode(bytes);
  if (authority === undefined || !AUTHORITY.test(authority)) {
    throw violation(
      "§10.3.1.1",
      "The peer sent an AUTHORITY that is not the authority of a URI.",
      "malformed-authority",
    );
  }
  return authority;
}

/** Numbers that the draft has no option for are left out: they are offers, and a draft that lacks one has its own default. */
export function writeSetup(writer: Writer, setup: SetupMessage, setupNumbers: SetupNumbers): void {
  const pairs: KeyValue[] = [...(setup.unknown ?? [])];
  for (const { type } of pairs) {
    if (withBytes.has(type) || setupNumbers.some(([, option]) => option === type))
      throw unencodable(`Setup option ${type} is a known one.`, clause("§10.3.1"));
  }
  if (setup.path !== undefined) pairs.push({ type: OPTION.path, value: utf8Encode(setup.path) });
  for (const token of setup.authorizationTokens ?? []) {
    pairs.push({ type: OPTION.authorizationToken, value: encodeToken(token) });
  }
  for (const [name, type] of setupNumbers) {
    const value = setup[name];
    if (value !== undefined) pairs.push({ type, value });
  }
  if (setup.authority !== undefined)
    pairs.push({ type: OPTION.authority, value: utf8Encode(setup.authority) });
  if (setup.implementation !== undefined) {
    pairs.push({ type: OPTION.implementation, value: utf8Encode(setup.implementation) });
  }
  // Stable, so repeated options keep their order.
  pairs.sort((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0));
  writeKeyValues(writer, pairs);
}
