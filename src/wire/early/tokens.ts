/** The Token structure of AUTHORIZATION TOKEN (draft-16 §9.2.2.1, draft-14 §9.2.1.1). */
import { cursorOver, INCOMPLETE } from "../cursor.ts";
import type { AuthToken } from "../messages.ts";
import { tryQuicVarint, writeQuicVarint } from "../quic-varint.ts";
import type { VarInt } from "../varint.ts";
import { finish, newWriter, writeBytes } from "../writer.ts";
import { malformed } from "./faults.ts";

const ALIAS_TYPES = { delete: 0x0, register: 0x1, "use-alias": 0x2, "use-value": 0x3 } as const;

/** `bytes` is exactly one Token. */
export function decodeToken(bytes: Uint8Array, section: string): AuthToken {
  const cursor = cursorOver(bytes, section);
  const undecodable = () =>
    malformed(
      cursor,
      "The peer sent an authorization token that cannot be decoded.",
      "key-value-formatting-error",
    );
  const next = (): VarInt => {
    const value = tryQuicVarint(cursor);
    if (value === INCOMPLETE) throw undecodable();
    return value;
  };
  const aliasType = next();
  switch (aliasType) {
    case ALIAS_TYPES.delete:
    case ALIAS_TYPES["use-alias"]: {
      const tokenAlias = next();
      if (cursor.pos !== cursor.end) throw undecodable();
      return { alias: aliasType === ALIAS_TYPES.delete ? "delete" : "use-alias", tokenAlias };
    }
    case ALIAS_TYPES.register: {
      const tokenAlias = next();
      return { alias: "register", tokenAlias, tokenType: next(), value: bytes.subarray(cursor.pos) };
    }
    case ALIAS_TYPES["use-value"]:
      return { alias: "use-value", tokenType: next(), value: bytes.subarray(cursor.pos) };
    default:
      throw undecodable();
  }
}

export function encodeToken(token: AuthToken): Uint8Array {
  const writer = newWriter();
  writeQuicVarint(writer, ALIAS_TYPES[token.alias]);
  if (token.alias !== "use-value") writeQuicVarint(writer, token.tokenAlias);
  if (token.alias === "register" || token.alias === "use-value") {
    writeQuicVarint(writer, token.tokenType);
    writeBytes(writer, token.value);
  }
  return finish(writer);
}
