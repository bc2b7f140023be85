/** Members within one process: for tests, and for nodes that share a process. */
import type { Clock } from "../clock.ts";
import { Emitter } from "../events.ts";
import { byId, HEARTBEAT_MS, MEMBER_TTL_MS, type Membership, type MembershipEvents } from "./membership.ts";
import type { Member } from "./rendezvous.ts";

export interface RosterOptions {
  readonly clock: Clock;
  readonly ttlMs?: number;
  readonly heartbeatMs?: number;
}

/** A membership whose heart a test can stop. */
export interface MemoryMembership extends Membership {
  /** Dies without a word: no heartbeat follows, and the others find out by the TTL. */
  crash(): void;
}

interface Entry {
  readonly member: Member;
  lastSeenMs: number;
}

/** What members in one process meet at. */
export class MemoryRoster {
  readonly #options: RosterOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #events = new Emitter<MembershipEvents>();
  #cancelExpiry: (() => void) | undefined;

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  /** Whoever joins under a name that is taken takes it over: the same node, back before its TTL was over. */
  join(member: Member): MemoryMembership {
    const { clock, heartbeatMs = HEARTBEAT_MS } = this.#options;
    const entry: Entry = { member, lastSeenMs: clock.now() };
    this.#entries.set(member.id, entry);
    let cancelBeat: () => void = () => undefined;
    const beat = (): void => {
      // Beating again after having been given up for dead is coming back.
      const isNew = this.#entries.get(member.id) === undefined;
      if (isNew) this.#entries.set(member.id, entry);
      if (this.#entries.get(member.id) === entry) entry.lastSeenMs = clock.now();
      if (isNew) this.#changed();
      cancelBeat = clock.setTimer(heartbeatMs, beat);
    };
    cancelBeat = clock.setTimer(heartbeatMs, beat);
    this.#changed();
    return {
      live: () => this.live(),
      on: (type, listener) => this.#events.on(type, listener),
      crash: () => cancelBeat(),
      leave: () => {
        cancelBeat();
        if (this.#entries.get(member.id) !== entry) return;
        this.#entries.delete(member.id);
        this.#changed();
      },
    };
  }

  live(): readonly Member[] {
    return [...this.#entries.values()].map(({ member }) => member).sort(byId);
  }

  #changed(): void {
    this.#watchExpiry();
    this.#events.emit("changed", this.live());
  }

  /** One timer, for whoever would be the next to be given up. */
  #watchExpiry(): void {
    const { clock, ttlMs = MEMBER_TTL_MS } = this.#options;
    this.#cancelExpiry?.();
    this.#cancelExpiry = undefined;
    if (this.#entries.size === 0) return;
    const oldest = Math.min(...[...this.#entries.values()].map(({ lastSeenMs }) => lastSeenMs));
    this.#cancelExpiry = clock.setTimer(oldest + ttlMs - clock.now(), () => {
      let expired = false;
      for (const [id, { lastSeenMs }] of this.#entries) {
        if (lastSeenMs + ttlMs > clock.now()) continue;
        this.#entries.delete(id);
        expired = true;
      }
      if (expired) this.#changed();
      else this.#watchExpiry();
    });
  }
}
