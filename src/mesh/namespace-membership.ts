/**
 * Members that meet at relays: each keeps a namespace announced, `<prefix> <id> <weight>`, and reads everybody's. The session under the announcement is the
 * heartbeat, checked by its relay; the TTL is how long members stay known when our own link to the relay is lost.
 */
import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import { utf8Decode } from "../utf8.ts";
import { type Namespace, namespaceOf } from "../wire/names.ts";
import { byId, MEMBER_TTL_MS, type Membership, type MembershipEvents } from "./membership.ts";
import { type BoardLink, NamespaceBoard } from "./namespace-board.ts";
import type { Member } from "./rendezvous.ts";

export const MEMBERS_PREFIX: Namespace = namespaceOf("countersign-mesh", "members");

/** An id is a relay's address; longer ones are somebody's joke. Also keeps the namespace below the 4,096 bytes of draft-18 §2.4.1. */
const MAX_ID_BYTES = 1024;

export interface NamespaceMembershipOptions {
  readonly clock: Clock;
  /** Ourselves; absent: we only look. */
  readonly self?: Member;
  readonly prefix?: Namespace;
  readonly ttlMs?: number;
}

export class NamespaceMembership implements Membership {
  readonly #board: NamespaceBoard;
  readonly #events = new Emitter<MembershipEvents>();
  readonly #stop: () => void;
  #self: Member | undefined;
  #told = "";

  /** Throws "invalid-options" for an id that cannot be announced. */
  constructor(options: NamespaceMembershipOptions) {
    const { clock, self, prefix = MEMBERS_PREFIX, ttlMs = MEMBER_TTL_MS } = options;
    if (self !== undefined && (self.id === "" || namespaceOf(self.id)[0]!.byteLength > MAX_ID_BYTES)) {
      throw new CountersignError("invalid-options", "A member's id is empty or too long to be announced.", {
        hint: `Use the relay's address, up to ${MAX_ID_BYTES} bytes.`,
      });
    }
    this.#self = self;
    this.#board = new NamespaceBoard({ clock, prefix, graceMs: ttlMs });
    this.#stop = this.#board.on("changed", () => this.#changed());
    if (self !== undefined) this.#board.post(namespaceOf(self.id, String(self.weight ?? 1)));
    this.#told = JSON.stringify(this.live());
  }

  /** Meets the others at this relay until the connection closes. Attach its successor as well: what was known is kept for the TTL. */
  attach(link: BoardLink): () => void {
    return this.#board.attach(link);
  }

  live(): readonly Member[] {
    const members = new Map<string, Member>();
    for (const notice of this.#board.notices()) {
      const member = memberOf(notice);
      // A member that restarts with another weight is announced twice for a moment. All nodes must take the same one.
      const known = member && members.get(member.id);
      if (member && !(known && (known.weight ?? 1) >= (member.weight ?? 1))) members.set(member.id, member);
    }
    if (this.#self !== undefined)
      members.set(this.#self.id, { id: this.#self.id, weight: this.#self.weight ?? 1 });
    return [...members.values()].sort(byId);
  }

  on(type: "changed", listener: (live: readonly Member[]) => void): () => void {
    return this.#events.on(type, listener);
  }

  leave(): void {
    this.#self = undefined;
    this.#stop();
    this.#board.close();
    this.#events.clear();
  }

  #changed(): void {
    const live = this.live();
    const told = JSON.stringify(live);
    if (told === this.#told) return;
    this.#told = told;
    this.#events.emit("changed", live);
  }
}

/** Undefined for what is no member: anybody may announce anything. */
function memberOf(notice: Namespace): Member | undefined {
  const [id, weight] = notice;
  if (notice.length !== 2 || id === undefined || weight === undefined || id.byteLength > MAX_ID_BYTES)
    return undefined;
  const text = utf8Decode(weight);
  const name = utf8Decode(id);
  if (name === undefined || text === undefined || !/^\d{1,6}(\.\d{1,6})?$/.test(text)) return undefined;
  return { id: name, weight: Number(text) };
}
