/** Silence and delay: the indefinite freeze of the TUF specification. */
import { describe, expect, it, vi } from "vitest";
import { FreeSigner, keys, ManualClock, START_MS, STREAM_ID, VIDEO } from "./fixtures.ts";
import { KeyRing } from "./key-ring.ts";
import { CLOCK_SKEW_MS } from "./limits.ts";
import { SignedTrackTrust, type SignedTrackTrustOptions } from "./track-trust.ts";

async function setUp(options: Partial<SignedTrackTrustOptions> = {}) {
  const clock = new ManualClock();
  const keyRing = await KeyRing.create([keys.root.publicKey]);
  const trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock, ...options });
  const states: string[] = [];
  trust.on("state", ({ state, error }) =>
    states.push(error === undefined ? state : `${state} (${error.code})`),
  );
  const signer = new FreeSigner(clock);
  const offer = async (envelope: Uint8Array) => (await trust.offer("m", envelope)).error?.code ?? "accepted";
  return { clock, trust, signer, offer, states };
}

describe("freshness", () => {
  it("turns stale when the signer has been silent for longer than it said, and keeps what was signed", async () => {
    const { clock, trust, signer, offer, states } = await setUp();
    for (const envelope of await signer.publishGroup(7, 1)) await offer(envelope);
    clock.advance(4_999);
    expect(trust.state).toBe("verified");
    clock.advance(1);
    expect(states).toEqual(["verified", "stale (manifest-expired)"]);
    expect(trust.lookup(7, 0).state).toBe("signed");
  });

  it("recovers with the next manifest", async () => {
    const { clock, signer, offer, states } = await setUp();
    await offer(await signer.publish({ group: 7 }));
    clock.advance(60_000);
    expect(await offer(await signer.publish({ group: 67 }))).toBe("accepted");
    clock.advance(4_000);
    expect(states).toEqual(["verified", "stale (manifest-expired)", "verified"]);
  });

  it("is not kept fresh by manifests said again or by history", async () => {
    const { clock, signer, offer, states } = await setUp();
    const history = await signer.publishGroup(6, 3);
    const newest = await signer.publish({ group: 7 });
    await offer(newest);
    clock.advance(4_000);
    expect(await offer(newest)).toBe("accepted");
    for (const envelope of history) expect(await offer(envelope)).toBe("accepted");
    clock.advance(1_000);
    expect(states).toEqual(["verified", "stale (manifest-expired)"]);
  });

  it("is kept fresh by every new manifest", async () => {
    const { clock, signer, offer, states } = await setUp();
    for (let i = 0; i < 20; i++) {
      await offer(await signer.publish({ group: 7 }));
      clock.advance(4_000);
    }
    expect(states).toEqual(["verified"]);
  });

  it("holds the newest manifest to its own word, be it shorter or longer than the one before", async () => {
    const { clock, trust, signer, offer } = await setUp();
    await offer(await signer.publish({ group: 7, freshForMs: 60_000 }));
    clock.advance(1_000);
    await offer(await signer.publish({ group: 7, freshForMs: 5_000 }));
    clock.advance(4_999);
    expect(trust.state).toBe("verified");
    clock.advance(1);
    expect(trust.state).toBe("stale");
    await offer(await signer.publish({ group: 7, freshForMs: 5_000 }));
    clock.advance(1_000);
    await offer(await signer.publish({ group: 7, freshForMs: 60_000 }));
    clock.advance(59_999);
    expect(trust.state).toBe("verified");
    clock.advance(1);
    expect(trust.state).toBe("stale");
  });

  it("leaves its timer alone while manifests come", async () => {
    const { clock, trust, signer, offer } = await setUp();
    await offer(await signer.publish({ group: 7 }));
    const set = vi.spyOn(clock, "setTimer");
    for (let i = 0; i < 100; i++) {
      clock.advance(10);
      await offer(await signer.publish({ group: 7 }));
    }
    expect(set).not.toHaveBeenCalled();
    expect(clock.pendingTimers).toBe(1);
    trust.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it("bears a viewer's clock that is wrong by less than the allowed skew, either way", async () => {
    for (const offMs of [CLOCK_SKEW_MS, -CLOCK_SKEW_MS]) {
      const { clock, signer, offer, states } = await setUp();
      expect(await offer(await signer.publish({ group: 7, issuedAtMs: START_MS + offMs }))).toBe("accepted");
      clock.advance(4_999);
      expect(states).toEqual(["verified"]);
      clock.advance(1);
      expect(states).toEqual(["verified", "stale (manifest-expired)"]);
    }
  });

  it("notices a peer that delays everything by more than skew and freshness together", async () => {
    const { trust, signer, offer } = await setUp({ streamId: STREAM_ID });
    const old = await signer.publish({ group: 7, issuedAtMs: START_MS - CLOCK_SKEW_MS - 5_001 });
    expect(await offer(old)).toBe("accepted");
    expect(trust.state).toBe("stale");
  });

  it("does not start, without a given stream, from a session that is long over", async () => {
    const { trust, signer, offer, states } = await setUp();
    const yesterday = await signer.say({ group: 7, issuedAtMs: START_MS - 86_400_000 });
    expect(await offer(yesterday)).toBe("manifest-expired");
    expect(states).toEqual(["stale (manifest-expired)"]);
    expect(trust.streamId).toBeUndefined();
    signer.streamId = new Uint8Array(16).fill(9);
    expect(await offer(await signer.say({ group: 7 }))).toBe("accepted");
    expect(trust.state).toBe("verified");
    expect(await offer(yesterday)).toBe("manifest-wrong-stream");
  });

  it("waits longer than a host's timers can, when the signer says so", async () => {
    const { clock, trust, signer, offer } = await setUp();
    await offer(await signer.publish({ group: 7, freshForMs: 30 * 86_400_000 }));
    clock.advance(30 * 86_400_000 - 1);
    expect(trust.state).toBe("verified");
    clock.advance(1);
    expect(trust.state).toBe("stale");
  });
});
