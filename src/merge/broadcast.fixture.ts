/** A broadcast played from fake relays, for the pool's tests. */
import { FakeClock } from "../testing/fake-clock.ts";
import type { Verified } from "../trust/types.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { FakeRelay, relayProvider } from "./fake-relay.ts";
import { FakeJudge, objectAt } from "./fakes.ts";
import { TrackSequencer } from "./sequencer.ts";
import type { SourcePoolOptions } from "./source-pool.ts";
import { SourcePool } from "./source-pool.ts";
import { TrackMerger } from "./track-merger.ts";

export const VIDEO = trackOf(namespaceOf("live"), "video");

/** A broadcast of 5 objects a second, one group per second, played from fake relays. */
export function broadcast(names: readonly string[], options: Partial<SourcePoolOptions> = {}) {
  const clock = new FakeClock(1_000_000);
  const judge = new FakeJudge();
  const relays = names.map((name) => new FakeRelay(name));
  const provider = relayProvider(relays);
  const merger = new TrackMerger<Verified<MoqObject>>({ kind: "judged", judge }, { clock });
  const sequencer = new TrackSequencer({ clock });
  merger.on("delivered", (delivery) => sequencer.deliver(delivery));
  judge.on("truth", (truth) => sequencer.truth(truth));
  const played: string[] = [];
  const holes: string[] = [];
  sequencer.on("object", ({ object }) => played.push(`${object.group}/${object.object}`));
  sequencer.on("hole", (hole) => holes.push(`${hole.group}/${hole.objectStart} ${hole.cause}`));
  const pool = new SourcePool({ clock, provider, sources: names, random: () => 1, ...options });
  const log: string[] = [];
  pool.on("source", ({ source, state }) => log.push(`${source} ${state}`));
  pool.on("problem", ({ source, error }) => log.push(`${source} ${error.code}`));
  pool.on("starved", ({ error }) => log.push(`starved ${error.code}`));
  pool.on("recovered", ({ source }) => log.push(`recovered ${source}`));
  let next = 0;
  /** Signs and publishes `count` objects, 200 ms apart. */
  const air = async (count: number, to: readonly FakeRelay[] = relays) => {
    for (let aired = 0; aired < count; aired++) {
      const group = Math.floor(next / 5);
      const object = next % 5;
      next++;
      judge.sign(
        group,
        Array.from({ length: object + 1 }, (_, id) => id),
        object === 4,
      );
      for (const relay of to) relay.publish(objectAt(group, object));
      await clock.run(200);
    }
  };
  const expected = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => `${Math.floor((from + i) / 5)}/${(from + i) % 5}`);
  return {
    clock,
    judge,
    relays,
    provider,
    merger,
    sequencer,
    pool,
    log,
    played,
    holes,
    air,
    expected,
    start: () => pool.addMergedTrack(VIDEO, merger, sequencer),
  };
}
