import { expect, test } from "vitest";
import type { MoqObject } from "../../src/wire/objects.ts";
import { groupPlaces, payloadOf } from "./test-publisher.ts";
import { Watcher } from "./watcher.ts";

function object(group: number, id: number, payload?: Uint8Array): MoqObject {
  return {
    ...{ group, object: id, subgroup: 0, priority: undefined, status: "normal" },
    properties: new Uint8Array(0),
    payload: payload ?? new Uint8Array(payloadOf("video", { group, object: id })),
  };
}

test("waiting ends with the last of what was waited for, in whatever order it came", async () => {
  const watcher = new Watcher();
  let done = false;
  const waiting = watcher.until(...groupPlaces(4)).then(() => {
    done = true;
  });
  watcher.object(object(4, 2));
  watcher.object(object(4, 0));
  await Promise.resolve();
  expect(done).toBe(false);
  watcher.object(object(4, 1));
  await waiting;
  expect(watcher.places).toEqual(["4/2", "4/0", "4/1"]);
});

test("an object that came twice, or with another's bytes, is told", () => {
  const right = new Watcher();
  right.object(object(1, 0));
  expect(() => right.check("video")).not.toThrow();
  right.object(object(1, 0));
  expect(() => right.check("video")).toThrow("Object 1/0 came twice.");
  const swapped = new Watcher();
  swapped.object(object(1, 0, new Uint8Array(payloadOf("video", { group: 1, object: 1 }))));
  expect(() => swapped.check("video")).toThrow(/Object 1\/0 has other bytes/);
  const ofAnother = new Watcher();
  ofAnother.object(object(1, 0));
  expect(() => ofAnother.check("audio")).toThrow(/other bytes/);
});

test("objects that only say where a group ends are not counted", () => {
  const watcher = new Watcher();
  watcher.object({ ...object(1, 3, new Uint8Array(0)), status: "end-of-group" });
  expect(watcher.places).toEqual([]);
});
