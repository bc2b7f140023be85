/** Losing peers, moving to others and being authorized, seen through a whole client over a network in memory. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import { pageApi } from "../src/playback/page-api.ts";
import { MemoryStore } from "../src/replay/memory-store.ts";
import type { AuthorizationNeed, AuthorizationProvider, OpenOptions } from "../src/rpc/protocol.ts";
import { generateSeed, importSeed, type SigningKey } from "../src/trust/keys.ts";
import { utf8DecodeLossy } from "../src/utf8.ts";
import { requestErrors } from "../src/wire/codes.ts";
import type { Parameters } from "../src/wire/messages.ts";
import {
  BROADCAST,
  EventLog,
  MANIFESTS,
  MemoryBroadcast,
  MemoryPeer,
  RELAY_A,
  RELAY_B,
} from "./broadcast.fixture.ts";
import { BroadcastClient } from "./broadcast-client.ts";

const FIRST = 90;
let key: SigningKey;
let broadcast: MemoryBroadcast;
const clients: BroadcastClient[] = [];

beforeEach(async () => {
  key = await importSeed(generateSeed());
  broadcast = new MemoryBroadcast(key);
  await broadcast.publishCatalog();
  await publish(FIRST);
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

async function publish(group: number): Promise<void> {
  await broadcast.sign(group);
  broadcast.serve(RELAY_A, group);
  broadcast.serve(RELAY_B, group);
}

async function open(change: Partial<OpenOptions> = {}, authorize?: AuthorizationProvider) {
  const online: (() => void)[] = [];
  const client = new BroadcastClient({
    dial: broadcast.dial,
    clock: systemClock,
    openStore: async () => ({ store: new MemoryStore(), warning: undefined }),
    onOnline: (listener) => void online.push(listener),
  });
  clients.push(client);
  const { port1, port2 } = new MessageChannel();
  const log = new EventLog(port2);
  const options: OpenOptions = {
    broadcast: BROADCAST,
    objects: [{ url: RELAY_A }],
    manifests: [{ url: MANIFESTS }],
    roots: [key.publicKey],
    targetLatencyMs: 400,
    resume: "live",
    replay: { enabled: false, maxAgeMs: 1_000, maxBytes: undefined },
    ...change,
  };
  await client.open(options, port1, pageApi(authorize ? { authorization: authorize } : {}));
  return {
    client,
    log,
    goOnline: () => {
      for (const listener of online) listener();
    },
  };
}

test("a relay that goes and comes back is told as reconnecting and resumed, and playback goes on", async () => {
  const { client, log, goOnline } = await open();
  await log.until("ready");
  const peer = broadcast.peer(RELAY_A);
  peer.down();
  expect(await log.until("reconnecting")).toEqual({ type: "reconnecting", url: RELAY_A, kind: "objects" });
  await publish(FIRST + 1);
  peer.up = true;
  goOnline();
  const resumed = await log.until("resumed");
  expect(resumed).toMatchObject({ url: RELAY_A, kind: "objects", cause: "lost" });
  expect(resumed.awayMs).toBeGreaterThanOrEqual(0);
  // The only relay was away: what went by meanwhile is missing at that moment, and then fetched.
  expect(resumed.missed.every(({ startMs, endMs }) => startMs < endMs)).toBe(true);
  const signed =
    broadcast.cutter.group("video", FIRST).length + broadcast.cutter.group("audio", FIRST).length;
  const more =
    broadcast.cutter.group("video", FIRST + 1).length + broadcast.cutter.group("audio", FIRST + 1).length;
  await expect
    .poll(async () => (await client.stats()).objects.delivered, { timeout: 15_000 })
    .toBe(signed + more);
  expect(log.all.filter(({ type }) => type === "reconnecting")).toHaveLength(1);
  expect(log.all.filter(({ type }) => type === "hole")).toEqual([]);
});

test("a relay that asks us to leave is left without a gap: resumed, and never reconnecting", async () => {
  const { log } = await open();
  await log.until("ready");
  const [old] = [...broadcast.peer(RELAY_A).connections];
  old?.goaway("", 5_000);
  expect(await log.until("resumed")).toMatchObject({ url: RELAY_A, cause: "moved", awayMs: 0, missed: [] });
  expect(log.all.filter(({ type }) => type === "reconnecting")).toEqual([]);
});

/** Wants this token with whatever is asked of it. */
function wanting(token: string) {
  return ({ authorizationTokens = [] }: Parameters) =>
    authorizationTokens.some((given) => "value" in given && utf8DecodeLossy(given.value) === token)
      ? undefined
      : { errorCode: requestErrors.unauthorized, reason: "no token" };
}

test("a token goes with everything, so that a relay that wants it serves us", async () => {
  for (const peer of broadcast.peers.values()) peer.refuse = wanting("secret");
  const { log } = await open({ authorization: { token: "secret" } });
  await log.until("ready");
});

test("a function is asked for tokens, and for a fresh one where the relay refused the last", async () => {
  broadcast.peer(RELAY_A).refuse = wanting("fresh");
  const needs: AuthorizationNeed[] = [];
  const { log } = await open({ authorization: {} }, (need) => {
    needs.push(need);
    return need.refresh ? "fresh" : "stale";
  });
  await log.until("ready");
  expect(needs).toContainEqual({ url: RELAY_A, purpose: "session", refresh: false });
  expect(needs).toContainEqual({
    url: RELAY_A,
    purpose: "subscribe",
    namespace: [...BROADCAST],
    track: "video",
    refresh: true,
  });
  // Nobody is asked on behalf of liveness, which is no business of the app's.
  expect(needs.filter(({ purpose }) => purpose === "track-status")).toEqual([]);
});

test("a relay that refuses every token is told to the app, once", async () => {
  broadcast.peer(RELAY_A).refuse = wanting("another");
  const { log } = await open({
    authorization: { token: "secret" },
    objects: [{ url: RELAY_A }, { url: RELAY_B }],
  });
  await log.until("ready");
  await log.until("warning", ({ error }) => error.code === "unauthorized");
  expect(log.all.filter(({ type }) => type === "warning")).toHaveLength(1);
});

const OTHER = "https://other.test/";

function sendElsewhere(): void {
  broadcast.peers.set(OTHER, new MemoryPeer());
  broadcast.serve(OTHER, FIRST);
  const redirect = { connectUri: OTHER, namespace: [], name: new Uint8Array(0) };
  broadcast.peer(RELAY_A).refuse = () => ({ errorCode: requestErrors.redirect, reason: "", redirect });
}

test("a relay may send us where the app allows it", async () => {
  sendElsewhere();
  const { log } = await open({ redirects: { origins: [OTHER] } });
  await log.until("ready");
  expect(broadcast.peer(OTHER).connections.size).toBe(1);
});

test.each([
  ["by default to no other origin", {}],
  ["nowhere if no hop is allowed", { origins: [OTHER], maxHops: 0 }],
])("%s", async (_, redirects) => {
  sendElsewhere();
  const { log } = await open({ redirects });
  const { error } = await log.until("warning", (warning) => warning.error.code === "redirect-refused");
  expect(error.peer).toBe(RELAY_A);
  expect(error.hint).toMatch(/allow its origin/);
  expect(broadcast.peer(OTHER).connections.size).toBe(0);
});
