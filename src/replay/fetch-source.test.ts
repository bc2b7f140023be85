import { expect, it } from "vitest";
import { CountersignError } from "../errors.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { KeyRing } from "../trust/key-ring.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { VarInt } from "../wire/varint.ts";
import { type FetchPeer, FetchSource } from "./fetch-source.ts";

const INVALID_RANGE = 0x11;
const NEWEST = 100;
const namespace = namespaceOf("example.com", "live");
const root = new Uint8Array(32).fill(7);

/** A peer that has the groups from `floor` on. One that `fails` cannot be asked. */
class Peer implements FetchPeer {
  readonly source: string;
  readonly standsBy: boolean;
  readonly asked: VarInt[] = [];
  sent = 0;
  fails = false;
  readonly connection: FetchPeer["connection"];

  constructor(source: string, floor: number, standsBy = false) {
    this.source = source;
    this.standsBy = standsBy;
    this.connection = {
      fetch: async ({ start: { group, object } }, sink) => {
        this.asked.push(group);
        if (this.fails) throw new CountersignError("session-closed", "gone");
        if (group < floor)
          throw new CountersignError("request-rejected", "not here", { protocolCode: INVALID_RANGE });
        this.sent += 1;
        const payload = new Uint8Array(1);
        sink.object({
          group,
          object,
          payload,
          subgroup: 0,
          priority: 128,
          status: "normal",
          properties: payload,
        });
      },
    };
  }
}

async function oldestOf(...relays: Peer[]): Promise<VarInt | undefined> {
  const manifestPeers = [new Peer("m", 0)];
  const source = new FetchSource({
    clock: new FakeClock(0),
    keyRing: await KeyRing.create([root]),
    track: () => ({
      media: trackOf(namespace, "video"),
      manifests: trackOf(namespace, "video.manifest"),
      streamId: root,
    }),
    relays: () => relays,
    manifestPeers: () => manifestPeers,
    newest: () => NEWEST,
  });
  return await source.oldest("track");
}

it("gets no object from a relay that stands by while those that send reach as far back", async () => {
  const [sending, standby] = [new Peer("a", 40), new Peer("b", 40, true)];
  expect(await oldestOf(sending, standby)).toBe(40);
  expect(sending.sent).toBeGreaterThan(0);
  expect(standby.sent).toBe(0);
});

it("asks a relay that stands by for what lies before all that those that send have", async () => {
  const [sending, standby] = [new Peer("a", 60), new Peer("b", 10, true)];
  expect(await oldestOf(sending, standby)).toBe(10);
  expect(Math.max(...standby.asked.map(Number))).toBeLessThan(60);
});

it("says that it could not be told when who might have it cannot be asked", async () => {
  const [sending, standby] = [new Peer("a", 60), new Peer("b", 80, true)];
  sending.fails = true;
  await expect(oldestOf(sending, standby)).rejects.toMatchObject({ code: "session-closed" });
});
