import { expect, test } from "vitest";
import type { ForeignRelay } from "./foreign-relay.ts";
import { peerNamed } from "./peers.ts";
import { outcomeOf } from "./run.ts";
import { type Scenario, Stage } from "./scenario.ts";

const nobody = (): never => {
  throw new Error("no relay runs in this test");
};
const peer = { ...peerNamed("moq-relay"), limits: { fetch: [{ words: /not supported/ }] } };
const stage = () =>
  new Stage({ peer, draft: "moqt-18", relay: {} as ForeignRelay, scenario: "fetch", startRelay: nobody });
const scenario = (run: Scenario["run"]): Scenario => ({ name: "fetch", run });

test("a scenario that comes to its end works, in its words", async () => {
  const outcome = await outcomeOf(
    scenario(async () => "all of it"),
    stage(),
  );
  expect(outcome).toEqual({ scenario: "fetch", draft: "moqt-18", result: "works", words: "all of it" });
});

test("one that ends in the words of a known limit is what the peer cannot do; in other words it fails", async () => {
  const refusing = (words: string) =>
    scenario(async () => {
      throw new Error(words);
    });
  expect((await outcomeOf(refusing("not supported"), stage())).result).toBe("peer cannot");
  expect((await outcomeOf(refusing("There came 0/1."), stage())).result).toBe("FAILS");
});

test("one that is not for this peer is skipped, and says why", async () => {
  const skipped: Scenario = { ...scenario(nobody), skip: ({ name }) => `${name} has none` };
  expect(await outcomeOf(skipped, stage())).toMatchObject({ result: "skipped", words: "moq-relay has none" });
});

test("what a scenario opened is closed after it, the latest first", async () => {
  const closed: string[] = [];
  const here = stage();
  await outcomeOf(
    scenario(async (its) => {
      its.atEnd(() => void closed.push("first"));
      its.atEnd(async () => void closed.push("second"));
      throw new Error("in the middle");
    }),
    here,
  );
  await here.end();
  expect(closed).toEqual(["second", "first"]);
});
