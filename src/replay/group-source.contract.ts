/**
 * What every GroupSource and ReplayStore promises, as cases that can be run on one.
 *
 * Free of any test framework, so that an app can run them on a source of its own:
 * `for (const { name, run } of replayStoreContract(subject)) it(name, run)`.
 */
import type { Verified } from "../trust/types.ts";
import { utf8Encode } from "../utf8.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { GroupRange, GroupSource, LeafDigest, ReplayStore, StoredGroup } from "./types.ts";

export interface ContractCase {
  readonly name: string;
  /** Rejects with a sentence when the promise is broken. */
  run(): Promise<void>;
}

export interface StoreSubject {
  /** A new store with nothing in it. */
  open(): Promise<ReplayStore>;
  /** The digest the store is given to check objects with. */
  readonly leafDigest: LeafDigest;
}

/** How to read a source that already holds the groups of `contractGroups()` under `track`. */
export interface SourceSubject {
  readonly track: string;
  open(): Promise<GroupSource>;
  /** For a source that gives nothing unsigned: the groups it holds instead; 5 and 6 whole, 9 in part. Asked after open(). */
  groups?(): readonly StoredGroup[];
}

const MAX = 0xffff_ffff_ffff_ffffn;
const TRACK = "00000000000000000000000000000000/example--video";

function fail(message: string): never {
  throw new RangeError(message);
}

function same(actual: unknown, expected: unknown, what: string): void {
  const show = (value: unknown): string =>
    JSON.stringify(value, (_key, part: unknown) => {
      if (typeof part === "bigint") return `${part}n`;
      if (part instanceof Uint8Array) return [...part].join(",");
      return part === undefined ? "undefined" : part;
    }) ?? "undefined";
  if (show(actual) !== show(expected)) fail(`${what}: expected ${show(expected)}, got ${show(actual)}`);
}

/** An object whose bytes follow from its place, so that a mix-up shows. */
export function contractObject(
  group: VarInt,
  object: VarInt,
  size = 40,
  properties = 0,
): Verified<MoqObject> {
  const payload = new Uint8Array(size);
  const salt = Number((BigInt(group) * 31n + BigInt(object) * 7n) & 0xffn);
  for (let i = 0; i < size; i++) payload[i] = (i * 13 + (i >>> 8) + salt) & 0xff;
  const value: MoqObject = {
    group,
    object,
    subgroup: 0,
    priority: 128,
    status: "normal",
    properties: payload.slice(0, properties),
    payload,
  };
  return value as Verified<MoqObject>;
}

/** A digest over place, properties and payload: enough to notice damage, for tests that do without trust/. */
export const contractLeafDigest: LeafDigest = async ({ group, object, properties, payload }) => {
  const place = utf8Encode(`${group}/${object}/${properties.length}/`);
  const bytes = new Uint8Array(place.length + properties.length + payload.length);
  bytes.set(place);
  bytes.set(properties, place.length);
  bytes.set(payload, place.length + properties.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
};

/** The groups a read-only source is expected to hold: 5 and 6 whole, 9 in part. */
export function contractGroups(): readonly StoredGroup[] {
  return [5, 6, 9].map((group) => ({
    group,
    complete: group !== 9,
    evidence: [utf8Encode(`evidence of ${group}`)],
    objects: [contractObject(group, 0), contractObject(group, 1)],
  }));
}

export function groupSourceContract(subject: SourceSubject): ContractCase[] {
  const { track } = subject;
  return [
    {
      name: "tells which groups it has, as sorted disjoint ranges, and the oldest",
      run: async () => {
        const source = await subject.open();
        same(await source.ranges(track), [range(5, 6), range(9, 9)], "ranges");
        same(await source.oldest(track), 5, "oldest");
      },
    },
    {
      name: "gives a group back as it was: objects in order, evidence, completeness",
      run: async () => {
        const source = await subject.open();
        for (const expected of subject.groups?.() ?? contractGroups())
          same(await source.group(track, expected.group), expected, "group");
      },
    },
    {
      name: "answers undefined for what is certainly not there",
      run: async () => {
        const source = await subject.open();
        same(await source.group(track, 7), undefined, "group 7");
        same(await source.ranges("no such track"), [], "ranges of no track");
        same(await source.oldest("no such track"), undefined, "oldest of no track");
        same(await source.group("no such track", 5), undefined, "group of no track");
      },
    },
    {
      name: "rejects, and answers nothing, when the asker has given up",
      run: async () => {
        const source = await subject.open();
        const reason = new RangeError("given up");
        const signal = AbortSignal.abort(reason);
        for (const ask of [
          () => source.ranges(track, signal),
          () => source.oldest(track, signal),
          () => source.group(track, 5, signal),
        ]) {
          same((await outcome(ask())).rejected, reason, "an aborted read");
        }
      },
    },
  ];
}

export function replayStoreContract(subject: StoreSubject): ContractCase[] {
  const fill = async (store: ReplayStore, groups: readonly StoredGroup[], track = TRACK): Promise<void> => {
    for (const { group, objects, evidence, complete } of groups) {
      for (const object of objects)
        store.put(track, object as Verified<MoqObject>, await subject.leafDigest(object));
      store.seal(track, group, evidence, complete);
    }
    await store.flush();
  };
  const withStore =
    (run: (store: ReplayStore) => Promise<void>): (() => Promise<void>) =>
    async () => {
      const store = await subject.open();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    };
  const opened: ReplayStore[] = [];
  const source: SourceSubject = {
    track: TRACK,
    open: async () => {
      await Promise.all(opened.splice(0).map((store) => store.close()));
      const store = await subject.open();
      opened.push(store);
      await fill(store, contractGroups());
      return store;
    },
  };
  return [
    ...groupSourceContract(source).map(({ name, run }) => ({
      name,
      run: async () => {
        await run();
        await Promise.all(opened.splice(0).map((store) => store.close()));
      },
    })),
    {
      name: "keeps every field of an object, and any size of it",
      run: withStore(async (store) => {
        const objects = [
          contractObject(1, 0, 0),
          { ...contractObject(1, 1, 10, 3), subgroup: undefined, priority: undefined },
          { ...contractObject(1, 2, 1), status: "end-of-group" as const, subgroup: MAX },
          contractObject(1, 3, 65_000, 700),
          contractObject(1, 4, 300_000, 70_000),
          contractObject(1, MAX, 5),
        ];
        const group = { group: 1, complete: true, evidence: [], objects };
        await fill(store, [group]);
        same(await store.group(TRACK, 1), group, "group 1");
      }),
    },
    {
      name: "sorts ids right up to 2^64 - 1",
      run: withStore(async (store) => {
        const ids: VarInt[] = [MAX, 10, 9, 2 ** 53 - 1, 2n ** 53n, 100, MAX - 1n];
        for (const id of ids)
          await fill(store, [{ group: id, complete: true, evidence: [], objects: [contractObject(id, 0)] }]);
        const expected: GroupRange[] = [
          range(9, 10),
          range(100, 100),
          range(2 ** 53 - 1, 2n ** 53n),
          range(MAX - 1n, MAX),
        ];
        same(await store.ranges(TRACK), expected, "ranges");
        same(await store.oldest(TRACK), 9, "oldest");
        for (const id of ids) same((await store.group(TRACK, id))?.group, id, "group");
      }),
    },
    {
      name: "takes objects in any order, over several writes, and gives them in order, once",
      run: withStore(async (store) => {
        for (const id of [3, 1, 1, 0, 2, 3]) {
          const object = contractObject(7, id);
          store.put(TRACK, object, await subject.leafDigest(object));
          if (id !== 1) await store.flush();
        }
        await store.flush();
        const objects = (await store.group(TRACK, 7))?.objects.map((object) => object.object);
        same(objects, [0, 1, 2, 3], "object ids");
      }),
    },
    {
      name: "replaces the evidence of a group, and calls it complete only when told",
      run: withStore(async (store) => {
        const group: StoredGroup = {
          group: 2,
          complete: false,
          evidence: [utf8Encode("a")],
          objects: [contractObject(2, 0)],
        };
        await fill(store, [group]);
        same((await store.group(TRACK, 2))?.complete, false, "complete");
        store.seal(TRACK, 2, [utf8Encode("b"), utf8Encode("c")], true);
        await store.flush();
        same(
          await store.group(TRACK, 2),
          { ...group, complete: true, evidence: [utf8Encode("b"), utf8Encode("c")] },
          "group 2",
        );
      }),
    },
    {
      name: "lists as whole only groups that were sealed whole, and only those asked for",
      run: withStore(async (store) => {
        const proof = [utf8Encode("proof")];
        const object = contractObject(0, 0);
        await fill(store, [
          { group: 3, complete: true, evidence: proof, objects: [{ ...object, group: 3 }] },
          { group: 4, complete: true, evidence: proof, objects: [{ ...object, group: 4 }] },
          { group: 5, complete: false, evidence: proof, objects: [{ ...object, group: 5 }] },
        ]);
        // A group that was cut short by a reload has objects and no proof.
        store.put(TRACK, contractObject(6, 0), await subject.leafDigest(contractObject(6, 0)));
        await store.flush();
        same(await store.wholeRanges(TRACK, range(0, 100)), [range(3, 4)], "all of them");
        same(await store.wholeRanges(TRACK, range(4, 7)), [range(4, 4)], "a part");
        same(await store.wholeRanges("none", range(0, 100)), [], "an unknown track");
      }),
    },
    {
      name: "does not call a group stored that has evidence only",
      run: withStore(async (store) => {
        store.seal(TRACK, 4, [utf8Encode("early")], false);
        await store.flush();
        same(await store.ranges(TRACK), [], "ranges");
        same(await store.group(TRACK, 4), undefined, "group 4");
        const object = contractObject(4, 0);
        store.put(TRACK, object, await subject.leafDigest(object));
        await store.flush();
        same((await store.group(TRACK, 4))?.evidence, [utf8Encode("early")], "evidence");
      }),
    },
    {
      name: "keeps no view of what it was given",
      run: withStore(async (store) => {
        const object = contractObject(3, 0);
        const before = object.payload.slice();
        store.put(TRACK, object, await subject.leafDigest(object));
        object.payload.fill(0);
        await store.flush();
        same((await store.group(TRACK, 3))?.objects[0]?.payload, before, "payload");
      }),
    },
    {
      name: "keeps tracks apart, and forgets by prefix",
      run: withStore(async (store) => {
        const other = TRACK.replace("0", "f");
        await fill(store, contractGroups());
        await fill(
          store,
          [{ group: 5, complete: true, evidence: [], objects: [contractObject(5, 8)] }],
          other,
        );
        store.putMeta(`${TRACK}/note`, utf8Encode("x"));
        same((await store.group(other, 5))?.objects.length, 1, "objects of the other track");
        await store.forget(TRACK.slice(0, 8));
        same(await store.ranges(TRACK), [], "ranges of the forgotten");
        same(await store.group(TRACK, 5), undefined, "group of the forgotten");
        same(await store.getMeta(`${TRACK}/note`), undefined, "small value of the forgotten");
        same(await store.ranges(other), [range(5, 5)], "ranges of the other");
      }),
    },
    {
      name: "keeps small values, the last one put under each key, readable at once",
      run: withStore(async (store) => {
        same(await store.getMeta("catalog"), undefined, "before");
        store.putMeta("catalog", utf8Encode("one"));
        store.putMeta("catalog", utf8Encode("two"));
        same(await store.getMeta("catalog"), utf8Encode("two"), "queued");
        await store.flush();
        same(await store.getMeta("catalog"), utf8Encode("two"), "written");
      }),
    },
    {
      name: "counts what it stores, and nothing twice",
      run: withStore(async (store) => {
        const group = { group: 1, complete: true, evidence: [], objects: [contractObject(1, 0, 50_000)] };
        await fill(store, [group]);
        const { bytes } = await store.estimate();
        if (bytes < 50_000 || bytes > 52_000) fail(`50,000 bytes of payload are counted as ${bytes}`);
        await fill(store, [group]);
        same((await store.estimate()).bytes, bytes, "bytes after the same again");
        await store.forget("");
        same((await store.estimate()).bytes, 0, "bytes of nothing");
      }),
    },
    {
      name: "remembers what is to be kept, until told otherwise",
      run: withStore(async (store) => {
        same(await store.kept(TRACK), [], "before");
        store.keep(TRACK, [range(9, 9), range(3, 5)]);
        same(await store.kept(TRACK), [range(3, 5), range(9, 9)], "kept");
        store.keep(TRACK, [range(MAX, MAX)]);
        same(await store.kept(TRACK), [range(MAX, MAX)], "kept instead");
        same(await store.kept("another"), [], "of another track");
      }),
    },
    {
      name: "rejects reads after close, and ignores puts",
      run: async () => {
        const store = await subject.open();
        await store.close();
        store.put(TRACK, contractObject(1, 0), new Uint8Array(32));
        const { rejected } = await outcome(store.ranges(TRACK));
        same((rejected as { code?: unknown } | undefined)?.code, "storage-failed", "code");
      },
    },
  ];
}

function range(first: VarInt, last: VarInt): GroupRange {
  return { first, last };
}

async function outcome(promise: Promise<unknown>): Promise<{ readonly rejected?: unknown }> {
  try {
    await promise;
    return {};
  } catch (rejected) {
    return { rejected };
  }
}
