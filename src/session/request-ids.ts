/** Request IDs (draft-18 §10.1): ours count up by two; the peer's are checked for parity and for repetition, in bounded memory. */
import { sessionErrors } from "../wire/codes.ts";
import { addVarInt, compareVarInt, type VarInt } from "../wire/varint.ts";
import { MAX_REQUEST_ID_HOLES } from "./limits.ts";
import type { Role } from "./types.ts";
import { violation } from "./violations.ts";

/** True when a request with this id was sent by an endpoint of this role: clients use even ids, servers odd ones. */
export function sentBy(role: Role, id: VarInt): boolean {
  const odd = typeof id === "number" ? id % 2 === 1 : id % 2n === 1n;
  return odd === (role === "server");
}

export class OwnRequestIds {
  #next: VarInt;

  constructor(role: Role) {
    this.#next = role === "client" ? 0 : 1;
  }

  take(): VarInt {
    const id = this.#next;
    this.#next = addVarInt(id, 2);
    return id;
  }

  /** True for an id that take() has returned. */
  issued(role: Role, id: VarInt): boolean {
    return sentBy(role, id) && id < this.#next;
  }
}

/**
 * Which ids the peer has used: everything below `#end`, except the holes.
 *
 * Streams overtake each other, so ids come out of order; a set of all of them would grow for as long as the session lives.
 */
export class PeerRequestIds {
  readonly #peer: Role;
  #end: VarInt;
  /** Half-open ranges [from, to) below #end that were not used yet, in ascending order. */
  #holes: { from: VarInt; to: VarInt }[] = [];

  constructor(peer: Role) {
    this.#peer = peer;
    this.#end = peer === "client" ? 0 : 1;
  }

  /** The smallest id that was certainly not used yet: what GOAWAY tells (§10.4). */
  get end(): VarInt {
    return this.#end;
  }

  /** Notes a use. Throws INVALID_REQUEST_ID for the wrong parity or a second use. */
  use(id: VarInt): void {
    if (!sentBy(this.#peer, id)) {
      throw violation(
        "§10.1",
        `Request ID ${id} has the parity of the other side.`,
        sessionErrors["invalid-request-id"],
      );
    }
    if (compareVarInt(id, this.#end) >= 0) {
      if (id !== this.#end) this.#holes.push({ from: this.#end, to: id });
      if (this.#holes.length > MAX_REQUEST_ID_HOLES) this.#holes.shift();
      this.#end = addVarInt(id, 2);
      return;
    }
    const at = this.#holes.findIndex((hole) => hole.from <= id && id < hole.to);
    const hole = this.#holes[at];
    if (!hole) {
      throw violation("§10.1", `Request ID ${id} was used before.`, sessionErrors["invalid-request-id"]);
    }
    const rest = [
      { from: hole.from, to: id },
      { from: addVarInt(id, 2), to: hole.to },
    ].filter((range) => range.from < range.to);
    this.#holes.splice(at, 1, ...rest);
    if (this.#holes.length > MAX_REQUEST_ID_HOLES) this.#holes.shift();
  }
}
