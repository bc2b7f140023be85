/** GOAWAY and the connection that is kept: the new one stands before the old one falls (draft-18 §3.6, §10.4). */
import { expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { memoryDial } from "../testing/memory-transport.ts";
import { accept, connect } from "./connect.ts";
import type { Connection, RequestHandlers } from "./connection.ts";
import { keepConnected, RECONNECT_BASE_MS, RECONNECT_STABLE_MS, type ReconnectState } from "./reconnect.ts";
import { redirectTarget } from "./redirects.ts";

const HOME = "https://relay.test/";
const NEXT = "https://relay.test/next";

/** A kept connection, the server's ends by order of dialing, and what was told and dialed. */
async function kept(handlers: RequestHandlers = {}) {
  const clock = new FakeClock();
  const servers: Connection[] = [];
  const dialed: string[] = [];
  const told: string[] = [];
  const down = new Set<string>();
  const dial = memoryDial(
    (server, _, url) => {
      void accept(server, { clock, url }, handlers).then((connection) => servers.push(connection));
    },
    { clock },
  );
  const signals: AbortSignal[] = [];
  const connections: Connection[] = [];
  const states: ReconnectState[] = [];
  const keeper = keepConnected({
    clock,
    random: () => 1,
    connect: (signal, newUri) => {
      const url = newUri === "" ? HOME : redirectTarget(HOME, newUri);
      dialed.push(url);
      signals.push(signal);
      if (down.has(url)) return Promise.reject(new CountersignError("connect-failed", "down"));
      return connect(dial, { url, clock, signal });
    },
    onState: (state) => {
      states.push(state);
      told.push(state.kind);
      if (state.kind !== "open") return;
      const number = connections.push(state.connection);
      void state.connection.closed.then(() => told.push(`end of ${number}`));
    },
  });
  await settle();
  return { clock, servers, dialed, told, down, keeper, states, connections, signals };
}

test("§10.4: the address that the GOAWAY names is dialed, and the old session closed when the new one is open", async () => {
  const { servers, dialed, told, keeper, states, connections, signals } = await kept();
  servers[0]!.goaway(NEXT, 5_000);
  await settle();
  await settle();
  expect(dialed).toEqual([HOME, NEXT]);
  expect(told).toEqual(["connecting", "open", "open", "end of 1"]);
  expect(keeper.connection).toBe(connections[1]);
  expect(states.at(-1)).toMatchObject({ resumed: { cause: "moved", awayMs: 0, attempts: 1 } });
  expect(await servers[0]!.closed).toEqual({ error: undefined, byUs: false });
  // What the new connection goes on to dial, redirects of its requests, hangs on its signal.
  expect(signals[1]?.aborted).toBe(false);
});

test("§10.4: without an address the same one is dialed", async () => {
  const { servers, dialed } = await kept();
  servers[0]!.goaway("", 0);
  await settle();
  expect(dialed).toEqual([HOME, HOME]);
});

test("the old session serves on while the new address does not answer", async () => {
  const { clock, servers, dialed, told, down, keeper, connections } = await kept({
    trackStatus: () => Promise.resolve({}),
  });
  down.add(NEXT);
  servers[0]!.goaway(NEXT, 0);
  await clock.run(RECONNECT_BASE_MS);
  expect(keeper.connection).toBe(connections[0]);
  down.clear();
  await clock.run(4 * RECONNECT_BASE_MS);
  expect(keeper.connection).toBe(connections[1]);
  expect(dialed.filter((url) => url === NEXT).length).toBeGreaterThan(1);
  expect(told).not.toContain("backing-off");
});

test("a session that ends before it has moved is dialed at the new address once, then at the usual one", async () => {
  const { clock, servers, dialed, down, told } = await kept();
  down.add(NEXT);
  servers[0]!.goaway(NEXT, 0);
  await settle();
  servers[0]!.close();
  await clock.run(4 * RECONNECT_BASE_MS);
  expect(dialed).toEqual([HOME, NEXT, NEXT, HOME]);
  expect(told.at(-1)).toBe("open");
});

test("an address that the policy forbids is not dialed; the session is kept until the peer ends it", async () => {
  const { clock, servers, dialed, keeper, connections } = await kept();
  servers[0]!.goaway("https://elsewhere.test/", 1_000);
  await clock.run(500);
  expect(keeper.connection).toBe(connections[0]);
  servers[0]!.close();
  await clock.run(4 * RECONNECT_BASE_MS);
  expect(keeper.connection).toBe(connections[1]);
  expect(dialed).toEqual([HOME, HOME]);
});

test("peers that send us away at once are dialed ever more slowly", async () => {
  const { clock, servers, dialed } = await kept();
  let goaways = 0;
  const chase = async (ms: number) => {
    for (let at = 0; at < ms; at += 50) {
      while (goaways < servers.length) servers[goaways++]!.goaway("", 0);
      await clock.run(50);
    }
  };
  await chase(RECONNECT_STABLE_MS);
  // Without pauses there would be one with each turn of the clock.
  expect(dialed.length).toBeLessThan(8);
  expect(dialed.length).toBeGreaterThan(3);
});

test("closing ends a move that is under way", async () => {
  const { clock, servers, down, keeper, dialed } = await kept();
  down.add(NEXT);
  servers[0]!.goaway(NEXT, 0);
  await settle();
  keeper.close();
  await clock.run(60_000);
  expect(dialed).toEqual([HOME, NEXT]);
  expect(keeper.state.kind).toBe("closed");
  expect(clock.pending).toBe(0);
});

test("a connection that was lost and came back says how long it was away", async () => {
  const { clock, servers, states } = await kept();
  servers[0]!.close();
  await clock.run(RECONNECT_BASE_MS);
  await settle();
  expect(states.at(-1)).toMatchObject({
    kind: "open",
    resumed: { cause: "lost", awayMs: RECONNECT_BASE_MS, attempts: 2 },
  });
});
