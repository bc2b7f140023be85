import { expect, test } from "vitest";
import { CountersignError } from "../src/errors.ts";
import { derivePlayerState, type PlayerFacts } from "./player-state.ts";

const playing: PlayerFacts = {
  closed: false,
  fatal: undefined,
  catalog: true,
  manifestPeers: { open: 1, connecting: 0, error: undefined },
  relays: { open: 2, connecting: 0, error: undefined },
  trust: "verified",
  delivering: true,
  playable: true,
  storedOnly: false,
  blocked: undefined,
  ended: false,
  atLiveEdge: true,
};
const none = { open: 0, connecting: 0, error: undefined };

function stateOf(change: Partial<PlayerFacts>): string {
  return derivePlayerState({ ...playing, ...change }).state;
}

test("playing at the edge is live, behind it by choice is rewound", () => {
  expect(stateOf({})).toBe("live");
  expect(stateOf({ atLiveEdge: false })).toBe("rewound");
});

test("before anything answered it is connecting, not offline", () => {
  const dialing = { open: 0, connecting: 1, error: undefined };
  expect(stateOf({ catalog: false, delivering: false, manifestPeers: dialing, relays: dialing })).toBe(
    "connecting",
  );
});

test("a manifest peer without a catalog yet is waiting, and carries what the peer said", () => {
  const error = new CountersignError("broadcast-unknown", "nobody knows it");
  const derived = derivePlayerState({
    ...playing,
    catalog: false,
    manifestPeers: { open: 1, connecting: 0, error },
  });
  expect(derived).toEqual({ state: "waiting", error });
});

test("with every peer gone, stored media makes it offline", () => {
  expect(stateOf({ manifestPeers: none, relays: none })).toBe("offline");
  expect(stateOf({ manifestPeers: none, relays: none, catalog: false, delivering: false })).toBe("offline");
  expect(
    stateOf({ manifestPeers: none, relays: none, playable: false, catalog: false, delivering: false }),
  ).toBe("connecting");
});

test("what plays from the store alone is offline even while peers are still being dialed", () => {
  const dialing = { open: 0, connecting: 1, error: undefined };
  expect(stateOf({ manifestPeers: dialing, relays: dialing, storedOnly: true })).toBe("offline");
  expect(stateOf({ manifestPeers: none, storedOnly: true, catalog: false })).toBe("offline");
  expect(stateOf({ manifestPeers: dialing, relays: dialing, catalog: false, playable: false })).toBe(
    "connecting",
  );
});

test("a silent signer is stale even while relays go on sending", () => {
  const derived = derivePlayerState({ ...playing, trust: "stale", manifestPeers: none });
  expect(derived.state).toBe("stale");
  expect(derived.error?.code).toBe("manifest-expired");
});

test("when every relay lies it is blocked and says so", () => {
  const blocked = new CountersignError("all-relays-lie", "they lie");
  expect(derivePlayerState({ ...playing, blocked, delivering: false })).toEqual({
    state: "blocked",
    error: blocked,
  });
});

test("two signed truths end it, whatever else is well", () => {
  const derived = derivePlayerState({ ...playing, trust: "equivocation" });
  expect(derived.state).toBe("failed");
  expect(derived.error?.code).toBe("manifest-equivocation");
});

test("a fatal error and destruction come before everything", () => {
  const fatal = new CountersignError("media-unsupported", "no codec");
  expect(derivePlayerState({ ...playing, fatal, trust: "stale" })).toEqual({ state: "failed", error: fatal });
  expect(stateOf({ closed: true, fatal })).toBe("closed");
});

test("a catalog that is held back makes it stale, with the reason, however good the media are", () => {
  const error = new CountersignError("manifest-expired", "a newer catalog");
  expect(derivePlayerState({ ...playing, catalogHeldBack: error })).toEqual({ state: "stale", error });
});

test("what nobody can decrypt is locked, unless something worse is wrong, and offline says so too", () => {
  const locked = new CountersignError("key-unavailable", "no key");
  expect(derivePlayerState({ ...playing, locked })).toEqual({ state: "locked", error: locked });
  expect(stateOf({ locked, atLiveEdge: false, playable: false })).toBe("locked");
  expect(stateOf({ locked, trust: "stale" })).toBe("stale");
  expect(derivePlayerState({ ...playing, locked, storedOnly: true })).toEqual({
    state: "offline",
    error: locked,
  });
});
