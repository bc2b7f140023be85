import { expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import type { MemoryTransport } from "../testing/memory-transport.ts";
import { memoryDial } from "../testing/memory-transport.ts";
import { accept, connect } from "./connect.ts";
import type { Connection } from "./connection.ts";
import type { Dial } from "./port.ts";
import { keepConnected, RECONNECT_BASE_MS, RECONNECT_MAX_MS, type ReconnectState } from "./reconnect.ts";

const url = "https://relay.test/";

/** A relay that can be down, and that remembers the wires of its sessions. */
function relay(clock: FakeClock) {
  const wires: MemoryTransport[] = [];
  const state = { up: true, dials: 0 };
  const working = memoryDial(
    (server, wire) => {
      wires.push(wire);
      // A client that hangs up during SETUP is part of these tests.
      accept(server, { clock }, {}).catch(() => undefined);
    },
    { clock },
  );
  const dial: Dial = (options, signal) => {
    state.dials++;
    if (!state.up) return Promise.reject(new CountersignError("connect-failed", "down"));
    return working(options, signal);
  };
  return { state, wires, dial };
}

function keep(clock: FakeClock, dial: Dial, random = () => 1) {
  const states: ReconnectState[] = [];
  const kept = keepConnected({
    connect: (signal) => connect(dial, { url, clock, signal }),
    onState: (state) => states.push(state),
    clock,
    random,
  });
  return { kept, states, kinds: () => states.map(({ kind }) => kind) };
}

test("a lost connection is dialed again after a back-off", async () => {
  const clock = new FakeClock();
  const { wires, dial } = relay(clock);
  const { kept, kinds } = keep(clock, dial);
  await settle();
  const first = kept.connection as Connection;
  wires[0]?.lose();
  await settle();
  expect(kept.state).toMatchObject({ kind: "backing-off", delayMs: RECONNECT_BASE_MS });
  await clock.run(RECONNECT_BASE_MS);
  expect(kinds()).toEqual(["connecting", "open", "backing-off", "connecting", "open"]);
  expect(kept.connection).not.toBe(first);
});

test("delays double up to the ceiling, drawn with full jitter, and begin anew after a stable connection", async () => {
  const clock = new FakeClock();
  const { state, wires, dial } = relay(clock);
  state.up = false;
  const { kept, states } = keep(clock, dial, () => 0.5);
  await clock.run(120_000);
  const delays = states.flatMap((at) => (at.kind === "backing-off" ? [at.delayMs] : []));
  expect(delays.slice(0, 4)).toEqual([125, 250, 500, 1000]);
  expect(delays.at(-1)).toBe(RECONNECT_MAX_MS / 2);
  state.up = true;
  await clock.run(RECONNECT_MAX_MS);
  expect(kept.state.kind).toBe("open");
  await clock.run(10_000);
  wires.at(-1)?.lose();
  await settle();
  expect(kept.state).toMatchObject({ kind: "backing-off", delayMs: 125 });
});

test("a relay that drops every connection at once is dialed ever more slowly", async () => {
  const clock = new FakeClock();
  const { wires, dial } = relay(clock);
  const { states } = keep(clock, dial);
  for (let i = 0; i < 4; i++) {
    await settle();
    wires.at(-1)?.lose();
    await settle();
    await clock.run(clock.nextInMs ?? 0);
  }
  const delays = states.flatMap((at) => (at.kind === "backing-off" ? [at.delayMs] : []));
  expect(delays).toEqual([250, 500, 1000, 2000]);
});

test("retryNow skips the wait", async () => {
  const clock = new FakeClock();
  const { state, dial } = relay(clock);
  state.up = false;
  const { kept } = keep(clock, dial);
  await settle();
  state.up = true;
  kept.retryNow();
  await settle();
  expect(kept.state.kind).toBe("open");
  expect(state.dials).toBe(2);
});

test("an error that dialing again cannot mend is final", async () => {
  const clock = new FakeClock();
  const dial: Dial = () => Promise.reject(new CountersignError("address-invalid", "no"));
  const { kept } = keep(clock, dial);
  await settle();
  expect(kept.state).toMatchObject({ kind: "closed", error: { code: "address-invalid" } });
  expect(clock.pending).toBe(0);
});

test("close ends whatever is going on and leaves nothing behind", async () => {
  for (const when of ["dialing", "open", "backing off"]) {
    const clock = new FakeClock();
    const { state, dial } = relay(clock);
    if (when === "backing off") state.up = false;
    const { kept, kinds } = keep(clock, dial);
    if (when !== "dialing") await settle();
    kept.close();
    await clock.run(60_000);
    expect(kinds().at(-1)).toBe("closed");
    expect(clock.pending).toBe(0);
    expect(state.dials).toBe(1);
  }
});

test("when the network changed, a session that is dead without a word is found out at once, and a back-off is cut short", async () => {
  const clock = new FakeClock();
  const { wires, dial } = relay(clock);
  const states: ReconnectState[] = [];
  const kept = keepConnected({
    connect: (signal) => connect(dial, { url, clock, signal, liveness: { idleMs: 60_000, timeoutMs: 500 } }),
    onState: (state) => states.push(state),
    clock,
    random: () => 1,
  });
  await settle();
  wires[0]?.stall();
  await clock.run(1);
  kept.networkChanged();
  await clock.run(500);
  expect(states.at(-1)).toMatchObject({ kind: "backing-off", error: { code: "session-closed" } });
  kept.networkChanged();
  await settle();
  expect(states.at(-1)).toMatchObject({ kind: "open", resumed: { cause: "lost" } });
  kept.close();
});
