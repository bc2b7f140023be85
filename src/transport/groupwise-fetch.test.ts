import { describe, expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { Connection, FetchOptions, FetchResult, Subscription } from "./connection.ts";
import { fetchingByGroup } from "./groupwise-fetch.ts";

const track = trackOf(namespaceOf("live"), "video");
const sink = { object: () => undefined };
const NOT_SUPPORTED = 0x3;
const DOES_NOT_EXIST = 0x10;

/** A relay that answers within one group only, and what it was asked: "1/2-1/5" with the last included, "1/2-1" to the group's end, "join 3". */
function narrowRelay(refusal = NOT_SUPPORTED) {
  const asked: string[] = [];
  const refuse = () =>
    Promise.reject(new CountersignError("request-rejected", "Several groups.", { protocolCode: refusal }));
  const connection = {
    url: "https://relay.example/",
    get onGoaway() {
      return undefined;
    },
    fetch: async ({ start, end }: FetchOptions): Promise<FetchResult> => {
      const last = end.object === undefined ? `${end.group}` : `${end.group}/${end.object}`;
      asked.push(`${start.group}/${start.object}-${last}`);
      if (start.group !== end.group) return refuse();
      return { end, endOfTrack: end.group === 9 };
    },
    joiningFetch: ({ start }: { start: object }) => {
      asked.push(`join ${Object.values(start).join()}`);
      return refuse();
    },
  } as unknown as Connection;
  return { asked, connection: fetchingByGroup(connection) };
}

const subscription = (group?: number): Subscription =>
  ({ track, largest: group === undefined ? undefined : { group, object: 4 } }) as unknown as Subscription;

describe("a fetch of several groups that the relay does not support", () => {
  test("is asked again group by group, from the object to the object that were wanted", async () => {
    const { asked, connection } = narrowRelay();
    const wanted = { track, start: { group: 7, object: 2 }, end: { group: 9, object: 1 } };
    expect(await connection.fetch(wanted, sink)).toEqual({ end: { group: 9, object: 1 }, endOfTrack: true });
    expect(asked).toEqual(["7/2-9/1", "7/2-7", "8/0-8", "9/0-9/1"]);
  });

  test("is not tried again on this connection: the next one is cut up at once", async () => {
    const { asked, connection } = narrowRelay();
    await connection.fetch({ track, start: { group: 1, object: 0 }, end: { group: 2 } }, sink);
    asked.length = 0;
    await connection.fetch({ track, start: { group: 3, object: 0 }, end: { group: 4 } }, sink);
    expect(asked).toEqual(["3/0-3", "4/0-4"]);
  });

  test("goes from the newest group to the oldest when that is wanted", async () => {
    const { asked, connection } = narrowRelay();
    const wanted = { track, start: { group: 1, object: 3 }, end: { group: 3, object: 0 } };
    const result = await connection.fetch({ ...wanted, groupOrder: "descending" }, sink);
    expect(asked.slice(1)).toEqual(["3/0-3/0", "2/0-2", "1/3-1"]);
    expect(result.end).toEqual({ group: 3, object: 0 });
  });

  test("counts groups above 2^53 as well", async () => {
    const { asked, connection } = narrowRelay();
    const start = { group: 2n ** 60n, object: 0 };
    await connection.fetch({ track, start, end: { group: 2n ** 60n + 1n } }, sink);
    expect(asked.slice(1)).toEqual([`${2n ** 60n}/0-${2n ** 60n}`, `${2n ** 60n + 1n}/0-${2n ** 60n + 1n}`]);
  });
});

describe("a joining fetch that the relay does not support", () => {
  test("becomes the range that it stands for, up to where the subscription began", async () => {
    const { asked, connection } = narrowRelay();
    await connection.joiningFetch({ subscription: subscription(5), start: { relative: 2 } }, sink);
    expect(asked).toEqual(["join 2", "3/0-3", "4/0-4", "5/0-5/4"]);
    asked.length = 0;
    await connection.joiningFetch({ subscription: subscription(5), start: { absolute: 4 } }, sink);
    expect(asked).toEqual(["4/0-4", "5/0-5/4"]);
  });

  test("is asked again as a fetch also when it is for the current group alone", async () => {
    const { asked, connection } = narrowRelay();
    await connection.joiningFetch({ subscription: subscription(5), start: { relative: 0 } }, sink);
    expect(asked).toEqual(["join 0", "5/0-5/4"]);
  });

  test("does not reach below the first group", async () => {
    const { asked, connection } = narrowRelay();
    await connection.joiningFetch({ subscription: subscription(1), start: { relative: 30 } }, sink);
    expect(asked.slice(1)).toEqual(["0/0-0", "1/0-1/4"]);
  });

  test("is refused as before when nothing was published when the subscription began", async () => {
    const { asked, connection } = narrowRelay();
    const joining = connection.joiningFetch({ subscription: subscription(), start: { relative: 1 } }, sink);
    await expect(joining).rejects.toMatchObject({ protocolCode: NOT_SUPPORTED });
    expect(asked).toEqual(["join 1"]);
  });
});

describe("everything else", () => {
  test("a fetch within a group is passed on as it is", async () => {
    const { asked, connection } = narrowRelay();
    await connection.fetch({ track, start: { group: 4, object: 1 }, end: { group: 4, object: 2 } }, sink);
    expect(asked).toEqual(["4/1-4/2"]);
  });

  test("another refusal is no reason to ask again", async () => {
    const { asked, connection } = narrowRelay(DOES_NOT_EXIST);
    const wanted = { track, start: { group: 1, object: 0 }, end: { group: 3 } };
    await expect(connection.fetch(wanted, sink)).rejects.toMatchObject({ protocolCode: DOES_NOT_EXIST });
    expect(asked).toHaveLength(1);
  });

  test("the rest of the connection is there, its accessors too", () => {
    const { connection } = narrowRelay();
    expect(connection.url).toBe("https://relay.example/");
    expect(connection.onGoaway).toBeUndefined();
  });
});
