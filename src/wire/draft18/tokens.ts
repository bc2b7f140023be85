/** The Token structure of AUTHORIZATION TOKEN, as a parameter and as a setup option (draft-18 §10.2.2, §10.3.1.4). */
import { cursorOver, INCOMPLETE, tryVi64 } from "../cursor.ts";
import type { AuthToken } from "../messages.ts";
import type { VarInt } from "../varint.ts";
import { finish, newWriter, writeBytes, writeVi64 } from "../writer.ts";
import { clause, malformedMessage } from "./violation.ts";

const SECTION = "§10.2.2";
const DELETE = 0x0;
const REGISTER = 0x1;
const USE_ALIAS = 0x2;
const USE_VALUE = 0x3;

function undecodable(): Error {
  return malformedMessage(
    SECTION,
    "The peer sent an authorization token that cannot be decoded.",
    "key-value-formatting-error",
  );
}

/** `bytes` is exactly one Token. */
export function decodeToken(bytes: Uint8Array): AuthToken {
  const cursor = cursorOver(bytes, clause(SECTION));
  const next = (): VarInt => {
    const value = tryVi64(cursor);
    if (value === INCOMPLETE) throw undecodable();
    return value;
  };
  const aliasType = next();
  if (aliasType === DELETE || aliasType === USE_ALIAS) {
    const tokenAlias = next();
    if (cursor.pos !== cursor.end) throw undecodable();
    return { alias: aliasType === DELETE ? "delete" : "use-alias", tokenAlias };
  }
  if (aliasType === REGISTER) {
    const tokenAlias = next();
    const tokenType = next();
    return { alias: "register", tokenAlias, tokenType, value: bytes.subarray(cursor.pos) };
  }
  if (aliasType === USE_VALUE) {
    const tokenType = next();
    return { alias: "use-value", tokenType, value: bytes.subarray(cursor.pos) };
  }
  throw undecodable();
}

export function encodeToken(token: AuthToken): Uint8Array {
  const writer = newWriter();
  switch (token.alias) {
    case "delete":
    case "use-alias":
      writeVi64(writer, token.alias === "delete" ? DELETE : USE_ALIAS);
      writeVi64(writer, token.tokenAlias);
      break;
    case "register":
      writeVi64(writer, REGISTER);
      writeVi64(writer, token.tokenAlias);
      writeVi64(writer, token.tokenType);
      writeBytes(writer, token.value);
      break;
    case "use-value":
      writeVi64(writer, USE_VALUE);
      writeVi64(writer, token.tokenType);
      writeBytes(writer, token.value);
      break;
  }
  return finish(writer);
}
