/** `npm run bench -- fleet`: 1,000,000 viewers of one broadcast on 1,000 relays, simulated. Counts, not times: the same on every machine. */

import { partitionOf } from "../../src/mesh/rendezvous.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { namespaceOf, trackOf } from "../../src/wire/names.ts";
import { type BenchCase, benchCase, note, numberFlag, printReport } from "../support/report.ts";
import { death, egressBps, type Fleet, ownersByLane, reconnectStorm, relays, spread } from "./model.ts";

const VIEWERS = numberFlag("viewers", 1_000_000);
const RELAYS = numberFlag("relays", 1_000);
const RUNS = numberFlag("runs", 3);

/** The demo's redial pauses (workers/peer-dialer.ts) for a player. */
const REDIAL = { baseMs: 500, maxMs: 8_000 };

/** Handshakes per second that one relay completes; a core does one to three thousand TLS handshakes. */
const HANDSHAKES_PER_SECOND = 1_000;

/** A 5 Mbit/s rendition; manifests of 150 bytes 5 times a second for 2 tracks; a keep-alive of 60 bytes each way every 2 s. */
const BYTES = { mediaBps: 5_000_000, manifestBps: 150 * 8 * 5 * 2, idleSessionBps: 60 * 8 };

const partition = (name: string): number => {
  const track = trackOf(namespaceOf("example.com", "final"), name);
  return partitionOf(track.namespace, track.name);
};
const runs = <T>(measure: (run: number) => T): T[] => Array.from({ length: RUNS }, (_, run) => measure(run));
const cases: BenchCase[] = [];
const one = (name: string, unit: string, samples: readonly number[]): void => {
  cases.push(benchCase(name, unit, "less", samples));
};

for (const weighted of [false, true]) {
  for (const lanesPerRelay of weighted ? [64] : [1, 4, 16, 64]) {
    const lanes = lanesPerRelay * RELAYS;
    note(`${lanes} lanes${weighted ? ", weighted" : ""}`);
    const results = runs((run) => {
      const fleet: Fleet = {
        viewers: VIEWERS,
        members: relays(RELAYS, weighted),
        lanes,
        partition: partition(`video ${run}`),
      };
      return spread(fleet, ownersByLane(fleet), seededRandom(run + 1));
    });
    const label = `${lanesPerRelay} lanes per relay${weighted ? ", weights 4:1" : ""}`;
    one(
      `spread, ${label}: busiest relay`,
      "x fair share",
      results.map(({ busiest }) => busiest),
    );
    one(
      `spread, ${label}: 99th percentile`,
      "x fair share",
      results.map(({ p99 }) => p99),
    );
    one(
      `spread, ${label}: relays used`,
      "relays",
      results.map(({ used }) => used),
    );
  }
}

note("one relay dies");
const deaths = runs((run) => {
  const fleet: Fleet = {
    viewers: VIEWERS,
    members: relays(RELAYS, false),
    lanes: 64 * RELAYS,
    partition: partition(`video ${run}`),
  };
  return { ...death(fleet, ownersByLane(fleet), 17 * (run + 1)), lanes: fleet.lanes };
});
one(
  "death of a relay: viewers that move",
  "viewers",
  deaths.map(({ moved, lanes }) => (moved / lanes) * VIEWERS),
);
one(
  "death of a relay: viewers moved though their relay lives",
  "viewers",
  deaths.map(({ needlessly }) => needlessly),
);
one(
  "death of a relay: relays that take them over",
  "relays",
  deaths.map(({ heirs }) => heirs),
);

note("reconnect storms");
for (const share of [0.001, 0.1]) {
  const lost = Math.round(VIEWERS * share);
  const survivors = RELAYS * (1 - share);
  // The orphans of one relay go to its few heirs; those of a tenth of the fleet to everybody.
  const takers = share === 0.001 ? Math.min(survivors, 64) : survivors;
  for (const jitter of ["full", "none"] as const) {
    const storms = runs((run) =>
      reconnectStorm({
        viewers: lost,
        capacityPer10Ms: Math.max(1, Math.round((takers * HANDSHAKES_PER_SECOND) / 100)),
        ...REDIAL,
        jitter,
        random: seededRandom(run + 11),
      }),
    );
    const label = `storm of ${lost} viewers, ${jitter === "full" ? "full jitter" : "no jitter"}`;
    one(
      `${label}: dials in the worst 10 ms`,
      "dials",
      storms.map(({ peakPer10Ms }) => peakPer10Ms),
    );
    one(
      `${label}: all back after`,
      "ms",
      storms.map(({ lastMs }) => lastMs),
    );
  }
}

const single = egressBps(VIEWERS, BYTES, 1, 0);
for (const [name, active, standby] of [
  ["redundancy 1", 1, 0],
  ["redundancy 1 and a standby", 1, 1],
  ["redundancy 2", 2, 0],
] as const) {
  const bps = egressBps(VIEWERS, BYTES, active, standby);
  cases.push(
    benchCase(`egress, ${name}`, "Tbit/s", "less", [bps / 1e12], {
      name: "raw:redundancy-1",
      samples: [single / 1e12],
    }),
  );
}

printReport("fleet", cases);
