/** What may befall relays, drawn from a seed: one after another and several at once, but never the last one that the viewer can count on. */
import type { Cluster, RelayHandle } from "../../demo/peers/cluster/cluster.ts";
import type { FaultName } from "../../demo/peers/faults/fault.ts";
import { seededRandom } from "../../src/testing/random.ts";
import type { DemoPage } from "./demo-page.ts";

/** "kill" is SIGKILL and a new process; the others are lies and bad lines. Weighted: a page that met many dead ports is made to wait by its browser before it may dial again. */
const MISFORTUNES = [
  "kill",
  "alter",
  "junk-first",
  "move",
  "replay",
  "unsigned",
  "truncate",
  "reset",
  "throttle",
  "throttle",
  "withhold",
  "withhold",
] as const satisfies readonly ("kill" | FaultName)[];

export type Misfortune = (typeof MISFORTUNES)[number];

/** What the page can prove from the bytes: it must name the relay that did it. */
const PROVABLE: ReadonlySet<Misfortune> = new Set(["alter", "junk-first", "move", "replay", "unsigned"]);

const LASTS_MS = { least: 2000, most: 6000 };
const PAUSE_MS = { least: 500, most: 2500 };

/** Objects that a relay must have brought since it was left alone, for the viewer to count on it. */
const STEADY_AFTER_OBJECTS = 10;

/** How long the run waits for a second steady relay before it does something else. */
const STEADY_POLL_MS = 200;

export interface ChaosEvent {
  readonly relay: string;
  readonly url: string;
  readonly what: Misfortune;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly provable: boolean;
}

export interface ChaosOptions {
  readonly cluster: Cluster;
  readonly demo: DemoPage;
  readonly seed: number;
  readonly durationMs: number;
  readonly log: (text: string) => void;
}

/** Runs until the time is over and all relays are well again. Resolves with what was done. */
export async function chaos(options: ChaosOptions): Promise<readonly ChaosEvent[]> {
  const { cluster, demo, durationMs, log } = options;
  const random = seededRandom(options.seed);
  const between = ({ least, most }: typeof LASTS_MS) => Math.floor(least + random() * (most - least));
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const disturbed = new Set<RelayHandle>();
  /** What each relay had brought when it was last left alone. */
  const baseline = new Map<RelayHandle, number>();
  const happened: ChaosEvent[] = [];
  const running = new Set<Promise<void>>();
  const startMs = Date.now();

  const brought = async (relay: RelayHandle): Promise<number> => {
    const score = (await demo.source(relay.url))?.score;
    return score === undefined ? 0 : score.good + score.duplicate;
  };
  const isSteady = async (relay: RelayHandle): Promise<boolean> => {
    if (disturbed.has(relay) || (await demo.source(relay.url))?.state !== "active") return false;
    return (await brought(relay)) >= (baseline.get(relay) ?? 0) + STEADY_AFTER_OBJECTS;
  };
  const disturb = async (relay: RelayHandle, what: Misfortune, lastsMs: number): Promise<void> => {
    const fromMs = Date.now();
    log(`${((fromMs - startMs) / 1000).toFixed(1)} s: ${what} ${relay.name} for ${lastsMs} ms`);
    if (what === "kill") await relay.process.kill();
    else relay.setFault(what);
    await new Promise((resolve) => setTimeout(resolve, what === "kill" ? lastsMs / 4 : lastsMs));
    if (what === "kill") await relay.process.start();
    else relay.setFault("none");
    baseline.set(relay, await brought(relay));
    disturbed.delete(relay);
    happened.push({
      relay: relay.name,
      url: relay.url,
      what,
      fromMs,
      untilMs: Date.now(),
      provable: PROVABLE.has(what),
    });
  };

  while (Date.now() - startMs < durationMs) {
    const victim = pick(cluster.relays.filter((relay) => !disturbed.has(relay)));
    const what = pick(MISFORTUNES);
    const lastsMs = between(LASTS_MS);
    const pauseMs = between(PAUSE_MS);
    const others = cluster.relays.filter((relay) => relay !== victim);
    const isSafe = async () => (await Promise.all(others.map(isSteady))).includes(true);
    let safe = await isSafe();
    while (!safe && Date.now() - startMs < durationMs) {
      await new Promise((resolve) => setTimeout(resolve, STEADY_POLL_MS));
      safe = await isSafe();
    }
    if (!safe) break;
    disturbed.add(victim);
    const misfortune = disturb(victim, what, lastsMs);
    running.add(misfortune);
    void misfortune.finally(() => running.delete(misfortune)).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  await Promise.all(running);
  return happened;
}
