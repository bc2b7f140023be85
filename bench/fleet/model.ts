/**
 * A fleet on paper: viewers and relays as numbers, ownership by the very functions that ship (src/mesh/rendezvous.ts). No sockets, no clock: what is computed here
 * is who goes where, how many arrive when, and how many bytes that is. docs/scale.md says what follows.
 */
import { type Member, Rendezvous } from "../../src/mesh/rendezvous.ts";

export interface Fleet {
  readonly viewers: number;
  readonly members: readonly Member[];
  readonly lanes: number;
  readonly partition: number;
}

/** Relays of one capacity, or every fourth four times as large. */
export function relays(count: number, weighted: boolean): Member[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `https://relay-${i}.example/`,
    weight: weighted && i % 4 === 0 ? 4 : 1,
  }));
}

/** The owner of each lane, by index of the member. */
export function ownersByLane({ members, lanes, partition }: Fleet): Int32Array {
  const index = new Map(members.map(({ id }, at) => [id, at]));
  const rendezvous = new Rendezvous(members);
  return Int32Array.from(
    { length: lanes },
    (_, lane) => index.get(rendezvous.owner(partition, lane)?.id ?? "") ?? -1,
  );
}

export interface Spread {
  /** Viewers on the busiest relay against what its capacity stands for; 1 is perfect. */
  readonly busiest: number;
  /** The 99th percentile of the same. */
  readonly p99: number;
  /** Relays with a viewer. */
  readonly used: number;
}

/** How the viewers of one broadcast lie on the relays. Each draws a lane by a hash of its own, which is as good as at random. */
export function spread(fleet: Fleet, owners: Int32Array, random: () => number): Spread {
  const { members, viewers, lanes } = fleet;
  const load = new Float64Array(members.length);
  for (let viewer = 0; viewer < viewers; viewer++) {
    const owner = owners[Math.floor(random() * lanes)] ?? -1;
    load[owner] = (load[owner] ?? 0) + 1;
  }
  const capacity = members.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const relative = members
    .map(({ weight = 1 }, at) => (load[at] ?? 0) / ((viewers * weight) / capacity))
    .sort((a, b) => a - b);
  return {
    busiest: relative.at(-1) ?? 0,
    p99: relative[Math.floor(relative.length * 0.99)] ?? 0,
    used: load.filter((count) => count > 0).length,
  };
}

/** Share of lanes whose owner changes when a relay dies, and how many relays take them over. */
export function death(fleet: Fleet, before: Int32Array, dead: number) {
  const rest = fleet.members.filter((_, at) => at !== dead);
  const after = ownersByLane({ ...fleet, members: rest });
  let moved = 0;
  let owned = 0;
  let needlessly = 0;
  const heirs = new Map<number, number>();
  for (let lane = 0; lane < fleet.lanes; lane++) {
    const was = before[lane]!;
    const is = after[lane]! >= dead ? after[lane]! + 1 : after[lane]!;
    if (was === dead) owned++;
    if (was === is) continue;
    moved++;
    if (was !== dead) needlessly++;
    heirs.set(is, (heirs.get(is) ?? 0) + 1);
  }
  return { moved, owned, needlessly, heirs: heirs.size, mostOfOneHeir: Math.max(0, ...heirs.values()) };
}

export interface Storm {
  /** Dials in the worst 10 ms. */
  readonly peakPer10Ms: number;
  /** Until every viewer is back, in ms. */
  readonly lastMs: number;
}

export interface StormOptions {
  readonly viewers: number;
  /** Handshakes that the surviving relays together complete in 10 ms; more are refused and tried again. */
  readonly capacityPer10Ms: number;
  readonly baseMs: number;
  readonly maxMs: number;
  /** full: evenly between 0 and the ceiling, as src/transport/reconnect.ts. none: exactly the ceiling. */
  readonly jitter: "full" | "none";
  readonly random: () => number;
}

/** Viewers that lost their relay at the same moment dial again, with the back-off that ships, until all are let in. */
export function reconnectStorm(options: StormOptions): Storm {
  const { viewers, capacityPer10Ms, baseMs, maxMs, jitter, random } = options;
  const arrivals = new Map<number, number[]>();
  const dial = (nowMs: number, failures: number): void => {
    const ceiling = Math.min(maxMs, baseMs * 2 ** failures);
    const slot = Math.ceil((nowMs + (jitter === "full" ? random() * ceiling : ceiling)) / 10);
    const counts = arrivals.get(slot) ?? [];
    counts[failures] = (counts[failures] ?? 0) + 1;
    arrivals.set(slot, counts);
  };
  for (let viewer = 0; viewer < viewers; viewer++) dial(0, 0);
  let peakPer10Ms = 0;
  let lastMs = 0;
  let outside = viewers;
  for (let slot = 0; outside > 0; slot++) {
    const counts = arrivals.get(slot);
    if (counts === undefined) continue;
    arrivals.delete(slot);
    const total = counts.reduce((sum, count) => sum + (count ?? 0), 0);
    peakPer10Ms = Math.max(peakPer10Ms, total);
    let room = capacityPer10Ms;
    counts.forEach((count, failures) => {
      const admitted = Math.min(room, count);
      room -= admitted;
      outside -= admitted;
      if (admitted > 0) lastMs = slot * 10;
      // A refused dial takes a round trip to be refused.
      for (let refused = admitted; refused < count; refused++) dial(slot * 10 + 50, failures + 1);
    });
  }
  return { peakPer10Ms, lastMs };
}

/** What one viewer costs in bit/s of egress. */
export interface ViewerBytes {
  readonly mediaBps: number;
  /** Manifests, from a manifest peer. */
  readonly manifestBps: number;
  /** Keeping a session that brings nothing: keep-alives and acknowledgements. */
  readonly idleSessionBps: number;
}

/** Egress of the whole fleet in bit/s. */
export function egressBps(viewers: number, bytes: ViewerBytes, active: number, standby: number): number {
  return viewers * (bytes.mediaBps * active + bytes.manifestBps + bytes.idleSessionBps * (standby + 1));
}
