/**
 * MAX_REQUEST_ID of drafts up to 16 (draft-16 §9.1, §9.5): which ids our requests have on the wire and how many we may send, and how many the peer may.
 *
 * Ids are given when a request is really sent, because they must come in sequence and a request that waits for credit may be given up.
 */
import { sessionErrors } from "../../wire/codes.ts";
import { addVarInt, type VarInt } from "../../wire/varint.ts";
import { REQUEST_WINDOW } from "../limits.ts";
import { sentBy } from "../request-ids.ts";
import type { Role } from "../types.ts";
import { violation } from "../violations.ts";

export class RequestCredit {
  readonly #role: Role;
  #next: VarInt;
  #limit: VarInt = 0;
  /** Ids of the peer below this are allowed, and below #peerEnd used. */
  #granted: VarInt;
  #peerEnd: VarInt;
  #peerOpen = 0;

  constructor(role: Role) {
    this.#role = role;
    this.#next = role === "client" ? 0 : 1;
    this.#peerEnd = role === "client" ? 1 : 0;
    this.#granted = addVarInt(this.#peerEnd, 2 * REQUEST_WINDOW);
  }

  /** For our SETUP: the peer may use ids below this. */
  get granted(): VarInt {
    return this.#granted;
  }

  /** What the peer allows us, for REQUESTS_BLOCKED. */
  get limit(): VarInt {
    return this.#limit;
  }

  get available(): boolean {
    return this.#next < this.#limit;
  }

  take(): VarInt {
    const id = this.#next;
    this.#next = addVarInt(id, 2);
    return id;
  }

  /** True for an id that a request of ours has, or had. */
  issued(id: VarInt): boolean {
    return sentBy(this.#role, id) && id < this.#next;
  }

  /** True for an id that a request of the peer has, or had. */
  used(id: VarInt): boolean {
    return !sentBy(this.#role, id) && id < this.#peerEnd;
  }

  begin(limit: VarInt): void {
    this.#limit = limit;
  }

  /** MAX_REQUEST_ID of the peer. */
  raise(limit: VarInt): void {
    if (limit <= this.#limit) {
      throw violation("§9.5", `MAX_REQUEST_ID ${limit} does not raise the limit of ${this.#limit}.`);
    }
    this.#limit = limit;
  }

  /** The peer sent a request or an update. `open`: it stays until close() is called. */
  use(id: VarInt, open: boolean): void {
    if (id >= this.#granted) {
      throw violation(
        "§9.5",
        `Request ID ${id} is not below the Maximum Request ID of ${this.#granted}.`,
        sessionErrors["too-many-requests"],
      );
    }
    if (id >= this.#peerEnd) this.#peerEnd = addVarInt(id, 2);
    if (open) this.#peerOpen++;
  }

  close(): void {
    this.#peerOpen--;
  }

  /** A new limit for the peer when half a window has been freed since the last one; then it has to be sent. */
  grant(): VarInt | undefined {
    const free = Math.max(0, REQUEST_WINDOW - this.#peerOpen);
    const limit = addVarInt(this.#peerEnd, 2 * free);
    if (limit < addVarInt(this.#granted, REQUEST_WINDOW)) return undefined;
    this.#granted = limit;
    return limit;
  }
}
