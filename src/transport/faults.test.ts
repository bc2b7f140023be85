/** The same conversation over a transport that cuts, delays, breaks and loses streams. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadMachine } from "../session/machine.ts";
import { CHUNKINGS, relayHandlers, runScenario } from "../testing/conversation.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { type Faults, memoryTransport } from "../testing/memory-transport.ts";
import type { Version } from "../wire/codec.ts";
import { everyCodec } from "../wire/every-codec.ts";
import { supportedVersions } from "../wire/registry.ts";
import { accept, connect } from "./connect.ts";
import type { Connection } from "./connection.ts";

interface Outcome {
  readonly log: string[] | undefined;
  readonly pendingPromises: number;
  readonly pendingTimers: number;
  /** The same after the connection was cut. */
  readonly pendingAfterLoss: number;
}

// Loaded before any clock runs: a fake one does not wait for modules.
await Promise.all(everyCodec.map(({ capabilities }) => loadMachine(capabilities)));

/** Runs the scenario over a faulty wire, with as much time as anything may need, then closes what is still open. */
async function play(faults: Faults, version: Version = "moqt-18"): Promise<Outcome> {
  const clock = new FakeClock();
  const wire = memoryTransport({ clock, faults });
  let pendingPromises = 0;
  const settled = (promise: Promise<unknown>) => {
    pendingPromises++;
    const done = () => {
      pendingPromises--;
    };
    promise.then(done, done);
  };
  let server: Connection | undefined;
  const accepting = accept(
    wire.server,
    { clock, versions: [version] },
    relayHandlers(settled, () => server!),
  ).then((connection) => {
    server = connection;
    settled(connection.closed);
  });
  const connecting = connect(() => Promise.resolve(wire.client), {
    url: "https://relay.test/",
    clock,
    versions: [version],
  });
  settled(accepting);
  settled(connecting);
  let log: string[] | undefined;
  const playing = connecting.then(async (client) => {
    settled(client.closed);
    log = await runScenario(client, settled);
    client.close();
  });
  settled(playing);
  for (let i = 0; i < 30 && (pendingPromises > 0 || clock.pending > 0); i++) await clock.run(5_000);
  const outcome = { log, pendingPromises, pendingTimers: clock.pending };
  wire.lose();
  await clock.run(0);
  return { ...outcome, pendingAfterLoss: pendingPromises + clock.pending };
}

/** No PUBLISH_BLOCKED up to 16; up to 15 a second SUBSCRIBE_NAMESPACE under the first is refused, whatever it is after. */
const notBlocked = { blocked: "blocked 0" };
const absent: Partial<Record<Version, Readonly<Record<string, string>>>> = {
  "moqt-16": notBlocked,
  "moqt-15": { ...notBlocked, tracks: "tracks: request-rejected" },
  "moqt-14": { ...notBlocked, tracks: "tracks: request-rejected" },
};

describe("a whole conversation", () => {
  test.each(CHUNKINGS)("is the same with bytes %s", async (_, faults) => {
    const outcome = await play(faults);
    expect(outcome.log).toMatchInlineSnapshot(`
      [
        "join: {"end":{"group":2,"object":2},"endOfTrack":false}",
        "update: undefined",
        "subscribe: {"end":"track-ended","joined":["1/0:100:16","1/1:100:17","1/2:100:18","2/0:100:32","2/1:100:33","2/2:100:34"],"watched":["0/0:700:0","0/1:700:1","0/2:700:2","1/0:700:16","1/1:700:17","1/2:700:18","2/0:700:32","2/1:700:33","2/2:700:34"],"ends":["0 complete","1 complete","2 complete"]}",
        "fetch: {"end":{"group":2,"object":2},"endOfTrack":false}",
        "1/0:100:16 1/1:100:17 1/2:100:18 2/0:100:32 2/1:100:33 2/2:100:34",
        "status: {"largest":{"group":2,"object":2}}",
        "announce: "ok"",
        "namespaces: "ok"",
        "tracks: "ok"",
        "publish: undefined",
        "+example.2ecom-live +example.2ecom-gone -example.2ecom-gone",
        "blocked 1",
      ]
    `);
    expect(outcome).toMatchObject({ pendingPromises: 0, pendingTimers: 0 });
  });

  test.each(supportedVersions)(
    "is the same in %s, but for what that draft does not have",
    async (version) => {
      const { log, ...rest } = await play({}, version);
      const lacks = absent[version] ?? {};
      const wanted = (await play({})).log!.map((line) => lacks[line.split(/[: ]/)[0]!] ?? line);
      expect(log).toEqual(wanted);
      expect(rest).toEqual({ pendingPromises: 0, pendingTimers: 0, pendingAfterLoss: 0 });
    },
  );

  test.each(supportedVersions)("is the same in %s with bytes in any pieces", async (version) => {
    const { log } = await play({}, version);
    for (const [, faults] of CHUNKINGS) expect((await play(faults, version)).log).toEqual(log);
  });

  test("is the same over a slow path", async () => {
    const { log, ...rest } = await play({ delayMs: 40 });
    expect(log).toEqual((await play({})).log);
    expect(rest).toEqual({ pendingPromises: 0, pendingTimers: 0, pendingAfterLoss: 0 });
  });
});

test("whatever stream breaks, wherever and however, no promise and no timer is left hanging", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        version: fc.constantFrom(...supportedVersions),
        kind: fc.constantFrom("unidirectional" as const, "bidirectional" as const),
        openedBy: fc.constantFrom("client" as const, "server" as const),
        index: fc.nat({ max: 8 }),
        sender: fc.constantFrom("client" as const, "server" as const),
        at: fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 900 })),
        action: fc.constantFrom("reset" as const, "fin" as const, "stall" as const, "lose" as const),
        chunking: fc.constantFrom("as-written" as const, "coalesced" as const, { seed: 3, max: 50 }),
      }),
      async ({ version, kind, openedBy, index, sender, at, action, chunking }) => {
        const outcome = await play(
          {
            chunking,
            stream: (stream) =>
              stream.kind === kind &&
              stream.openedBy === openedBy &&
              stream.index === index &&
              stream.sender === sender
                ? { at, action }
                : undefined,
          },
          version,
        );
        expect(outcome.pendingAfterLoss).toBe(0);
        // A stream that stalls is legal for as long as it likes.
        if (action !== "stall") expect(outcome).toMatchObject({ pendingPromises: 0, pendingTimers: 0 });
      },
    ),
    { numRuns: 100, verbose: 1 },
  );
}, 60_000);
