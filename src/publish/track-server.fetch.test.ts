import { describe, expect, test } from "vitest";
import { object, pair, video } from "../testing/conversation.ts";
import { requestErrors } from "../wire/codes.ts";
import type { Location } from "../wire/names.ts";
import { TrackServer } from "./track-server.ts";

/** A server that has published groups 3 and 4, two objects each, and what a peer fetches of it. */
async function served() {
  const server = new TrackServer({ track: video });
  for (const group of [3, 4]) {
    for (const id of [0, 1])
      server.publish(object(group, id), { endOfGroup: true, firstObject: id === 0, priority: undefined });
    server.endSubgroup(group, 0, { clean: true, endOfGroup: true });
  }
  const { client } = await pair({ fetch: (request) => void server.fetch(request) });
  return async (start: Location, end: { group: number; object?: number }) => {
    const got: string[] = [];
    const result = await client.fetch(
      { track: video, start, end },
      { object: ({ group, object }) => got.push(`${group}/${object}`) },
    );
    return { got, end: result.end };
  };
}

describe("FETCH (draft-18 §10.12.3)", () => {
  test.each([
    ["of a later group", { group: 5, object: 0 }],
    ["of a later object of the newest group", { group: 4, object: 2 }],
  ])("§10.12.3: a start behind the largest object, %s, is refused with INVALID_RANGE", async (_, start) => {
    const fetch = await served();
    await expect(fetch(start, { group: 9 })).rejects.toMatchObject({
      code: "request-rejected",
      protocolCode: requestErrors["invalid-range"],
    });
  });

  test("§10.12.3: so is any of a track on which nothing was published", async () => {
    const server = new TrackServer({ track: video });
    const { client } = await pair({ fetch: (request) => void server.fetch(request) });
    const range = { start: { group: 0, object: 0 }, end: { group: 0 } };
    await expect(client.fetch({ track: video, ...range }, { object: () => undefined })).rejects.toMatchObject(
      { protocolCode: requestErrors["invalid-range"] },
    );
  });

  test("§10.12.3: the largest object itself can be had, and an end behind it is told as it is", async () => {
    const fetch = await served();
    expect(await fetch({ group: 4, object: 1 }, { group: 9 })).toEqual({
      got: ["4/1"],
      end: { group: 4, object: 1 },
    });
    expect(await fetch({ group: 3, object: 1 }, { group: 4, object: 0 })).toEqual({
      got: ["3/1", "4/0"],
      end: { group: 4, object: 0 },
    });
  });
});
