import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FakeClock } from "../../../../src/testing/fake-clock.ts";
import { trackKey } from "../../../../src/wire/names.ts";
import type { MoqObject } from "../../../../src/wire/objects.ts";
import {
  air,
  names,
  OBJECTS,
  quiet,
  TestPublisher,
  TestRelay,
  TestViewer,
  VIDEO,
  within,
} from "../relay.fixture.ts";
import { LINGER_MS } from "../relay-track.ts";
import { FileGroups } from "./file-groups.ts";

const HOUR_MS = 3_600_000;
const KEY = trackKey(VIDEO);
let folder: string;
let clock: FakeClock;
let files: FileGroups;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "countersign-kept-"));
  clock = new FakeClock(Date.now());
  files = keep();
});

afterEach(async () => {
  await files.close();
  await rm(folder, { recursive: true, force: true });
});

function keep(): FileGroups {
  return new FileGroups({ folder, clock, segmentBytes: 300 });
}

/** Real files take real time. */
async function written(last: number): Promise<void> {
  await expect.poll(async () => (await files.ranges(KEY)).at(-1)?.last).toBe(last);
}

async function recorded(groups: number): Promise<TestRelay> {
  const relay = new TestRelay(clock, { files, cacheGroups: 3 });
  const publisher = new TestPublisher(VIDEO, 2);
  await within(clock, publisher.join(relay));
  const viewer = await within(clock, new TestViewer().join(relay));
  await within(clock, viewer.watch());
  await air(clock, [publisher], 0, groups * OBJECTS);
  await written(groups - 1);
  publisher.lose();
  await quiet(clock);
  return relay;
}

async function viewerOf(relay: TestRelay): Promise<TestViewer & { readonly gaps: string[] }> {
  const viewer = await within(clock, new TestViewer().join(relay));
  return Object.assign(viewer, { gaps: [] as string[] });
}

/** What a fetch brings, objects and gaps, in order. */
async function fetched(relay: TestRelay, first: number, last: number): Promise<string[]> {
  const viewer = await viewerOf(relay);
  const seen: string[] = [];
  await within(
    clock,
    viewer.connection.fetch(
      { track: VIDEO, start: { group: first, object: 0 }, end: { group: last } },
      {
        object: ({ group, object }) => seen.push(`${group}/${object}`),
        gap: ({ group }) => seen.push(`nothing to ${group}`),
      },
    ),
  );
  return seen;
}

it("answers a fetch below its memory from its files, when nobody publishes any more", async () => {
  const relay = await recorded(12);
  expect(await fetched(relay, 1, 11)).toEqual(names(OBJECTS, 12 * OBJECTS));
});

it("a relay restarted with its files serves them, and says what the largest is", async () => {
  await (await recorded(12)).relay.close();
  await files.close();
  files = keep();
  const relay = new TestRelay(clock, { files, cacheGroups: 3 });
  expect(await fetched(relay, 0, 40)).toEqual(names(0, 12 * OBJECTS));
  // With a publisher again the new groups follow the old ones, in one answer.
  const publisher = new TestPublisher();
  await within(clock, publisher.join(relay));
  const viewer = await within(clock, new TestViewer().join(relay));
  await within(clock, viewer.watch());
  await air(clock, [publisher], 12 * OBJECTS, 14 * OBJECTS);
  await written(13);
  expect(await fetched(relay, 9, 13)).toEqual(names(9 * OBJECTS, 14 * OBJECTS));
  await relay.relay.close();
});

it("goes on recording when nobody watches, and after a restart as soon as the track is published again", async () => {
  const relay = new TestRelay(clock, { files, cacheGroups: 3 });
  const publisher = new TestPublisher();
  await within(clock, publisher.join(relay));
  const viewer = await within(clock, new TestViewer().join(relay));
  await within(clock, viewer.watch());
  await air(clock, [publisher], 0, 2 * OBJECTS);
  viewer.connection.close();
  await clock.run(10 * LINGER_MS);
  await air(clock, [publisher], 2 * OBJECTS, 4 * OBJECTS);
  await written(3);
  await relay.relay.close();

  const after = new TestRelay(clock, { files, cacheGroups: 3 });
  const again = new TestPublisher();
  await within(clock, again.join(after));
  const asked = async (): Promise<readonly string[]> => {
    await quiet(clock);
    return again.asked;
  };
  await expect.poll(asked).toContain("subscribe");
  await air(clock, [again], 4 * OBJECTS, 6 * OBJECTS);
  await written(5);
  expect(await fetched(after, 0, 5)).toEqual(names(0, 6 * OBJECTS));
  await after.relay.close();
});

it("names what is not there: before the oldest it has, in between, and behind the last", async () => {
  await (await recorded(4)).relay.close();
  for (const group of [9, 10]) await files.write(KEY, await copyOf(3, group));
  const relay = new TestRelay(clock, { files });
  expect(await fetched(relay, 2, 10)).toEqual([
    ...names(2 * OBJECTS, 4 * OBJECTS),
    "nothing to 8",
    ...names(9 * OBJECTS, 11 * OBJECTS),
  ]);
  expect(await fetched(relay, 5, 7)).toEqual(["nothing to 7"]);
});

it("looks at its floor again at each step, so that retention during a long answer makes a gap and no silence", async () => {
  await (await recorded(2)).relay.close();
  // More than fits on the way to the viewer, so that the relay is in the middle of it when the floor moves.
  for (let group = 2; group < 100; group++) {
    if (group === 80) await clock.run(10 * HOUR_MS);
    await files.write(KEY, await copyOf(1, group, 3000));
  }
  const relay = new TestRelay(clock, { files });
  const seen: string[] = [];
  const viewer = await viewerOf(relay);
  let swept: Promise<void> | undefined;
  await within(
    clock,
    viewer.connection.fetch(
      { track: VIDEO, start: { group: 0, object: 0 }, end: { group: 99 } },
      {
        object: ({ group, object }) => {
          if (object === 0) seen.push(`${group}`);
          swept ??= moveFloor();
        },
        gap: ({ group }) => seen.push(`nothing to ${group}`),
        // The answer waits until the floor has moved.
        ready: () => swept,
      },
    ),
  );
  const gap = seen.findIndex((entry) => entry.startsWith("nothing"));
  expect(gap).toBeGreaterThan(0);
  const resumed = Number(seen[gap]?.slice("nothing to ".length)) + 1;
  expect(seen[gap + 1]).toBe(`${resumed}`);
  expect(seen.at(-1)).toBe("99");
  // Nothing twice, nothing left out in silence.
  expect(seen.slice(0, gap)).toEqual(Array.from({ length: gap }, (_, group) => `${group}`));
  expect(seen.slice(gap + 1)).toEqual(Array.from({ length: 100 - resumed }, (_, at) => `${resumed + at}`));
});

/** A group like another under another id. */
async function copyOf(from: number, group: number, bytes?: number) {
  const stored = await files.group(KEY, from);
  if (stored === undefined) throw new Error(`no group ${from}`);
  const grown = (object: MoqObject): MoqObject => ({
    ...object,
    group,
    payload: bytes === undefined ? object.payload : new Uint8Array(bytes),
  });
  return { ...stored, group, objects: stored.objects.map(grown) };
}

/** What was written in the first hours is past its retention, what came ten hours later is not. */
async function moveFloor(): Promise<void> {
  await clock.run(63 * HOUR_MS);
  await files.sweep();
}
