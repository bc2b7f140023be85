/** Runs scenarios against a peer, draft by draft, and judges what came of each. */
import { loadavg } from "node:os";
import type { Version } from "../../src/wire/codec.ts";
import { type ForeignRelay, startForeignRelay } from "./foreign-relay.ts";
import { isKnownLimit, type PeerDefinition } from "./peers.ts";
import type { InteropReport, Outcome } from "./report.ts";
import { type RelayTwist, type Scenario, Stage } from "./scenario.ts";

/** A scenario that has not ended by then hangs; the player's take longest, about half a minute. */
const SCENARIO_TIMEOUT_MS = 120_000;

export interface RunOptions {
  readonly peer: PeerDefinition;
  readonly version: string;
  readonly program: string;
  readonly drafts: readonly Version[];
  readonly scenarios: readonly Scenario[];
  readonly onLog?: (line: string) => void;
  readonly onOutcome?: (outcome: Outcome) => void;
}

export async function runInterop(options: RunOptions): Promise<InteropReport> {
  const { peer, program, onLog } = options;
  const [load = 0] = loadavg();
  const outcomes: Outcome[] = [];
  for (const draft of options.drafts) {
    const startRelay = (twist: RelayTwist): Promise<ForeignRelay> => {
      const protocols = [twist.onlyDraft === undefined ? draft : `moqt-${twist.onlyDraft}`];
      return startForeignRelay({ definition: peer, program, protocols, ...twist, ...(onLog && { onLog }) });
    };
    const relay = await startRelay({});
    try {
      for (const scenario of options.scenarios) {
        const stage = new Stage({ peer, draft, relay, scenario: scenario.name, startRelay });
        const outcome = await outcomeOf(scenario, stage);
        await stage.end();
        outcomes.push(outcome);
        options.onOutcome?.(outcome);
      }
    } finally {
      await relay.stop();
    }
  }
  return { peer: peer.name, version: options.version, date: new Date().toISOString(), load, outcomes };
}

/** Never rejects. */
export async function outcomeOf(scenario: Scenario, stage: Stage): Promise<Outcome> {
  const { peer, draft } = stage;
  const of = { scenario: scenario.name, draft };
  const reason = scenario.skip?.(peer);
  if (reason !== undefined) return { ...of, result: "skipped", words: reason };
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`It did not end within ${SCENARIO_TIMEOUT_MS / 1000} s.`)),
      SCENARIO_TIMEOUT_MS,
    );
  });
  try {
    return { ...of, result: "works", words: await Promise.race([scenario.run(stage), hangs]) };
  } catch (thrown) {
    const words = thrown instanceof Error ? thrown.message : String(thrown);
    const known = isKnownLimit(peer, scenario.name, draft, words);
    return { ...of, result: known ? "peer cannot" : "FAILS", words };
  } finally {
    clearTimeout(timer);
  }
}
