/** Exported recordings: from a player's worker to a file, and back through the check that anybody can make. */
import { ALL_FORMATS, BlobSource, EncodedPacketSink, Input } from "mediabunny";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import { assembleRecording, type Recording } from "../src/recording/assemble.ts";
import { decodeSidecar, encodeSidecar, type Sidecar } from "../src/recording/sidecar.ts";
import { verifyExport } from "../src/recording/verify-export.ts";
import { MemoryStore } from "../src/replay/memory-store.ts";
import type { OpenOptions } from "../src/rpc/protocol.ts";
import { run } from "../src/trust/cli/commands.ts";
import { KeyRing } from "../src/trust/key-ring.ts";
import { generateSeed, importSeed, type SigningKey } from "../src/trust/keys.ts";
import { BROADCAST, EventLog, MANIFESTS, MemoryBroadcast, RELAY_A } from "./broadcast.fixture.ts";
import { BroadcastClient } from "./broadcast-client.ts";

const FIRST = 90;
const GROUPS = 4;

let key: SigningKey;
let client: BroadcastClient;
let log: EventLog;
let broadcast: MemoryBroadcast;

beforeEach(async () => {
  key = await importSeed(generateSeed());
  broadcast = new MemoryBroadcast(key);
  await broadcast.publishCatalog();
  client = new BroadcastClient({
    dial: broadcast.dial,
    clock: systemClock,
    openStore: async () => ({ store: new MemoryStore(), warning: undefined }),
  });
  const { port1, port2 } = new MessageChannel();
  log = new EventLog(port2);
  await client.open(
    {
      broadcast: BROADCAST,
      objects: [{ url: RELAY_A }],
      manifests: [{ url: MANIFESTS }],
      roots: [key.publicKey],
      targetLatencyMs: 400,
      resume: "live",
      replay: { enabled: true, maxAgeMs: 72 * 3_600_000, maxBytes: undefined },
      versions: ["moqt-18"],
    } as OpenOptions,
    port1,
  );
});

afterEach(async () => {
  await client.close();
});

/** Plays and stores some groups, without those of `lost`. */
async function play(lost: readonly number[] = []): Promise<void> {
  for (let group = FIRST; group < FIRST + GROUPS + 1; group++) {
    if (lost.includes(group)) continue;
    await broadcast.sign(group);
    broadcast.serve(RELAY_A, group);
    if (group === FIRST) await log.until("ready");
  }
  const last = FIRST + GROUPS;
  await expect
    .poll(async () => (await client.stats()).live[0]?.endMs, { timeout: 20_000 })
    .toBeGreaterThanOrEqual((last + 1) * 1000);
  await expect.poll(async () => (await client.stats()).stored.at(-1)?.endMs).toBe((last + 1) * 1000);
}

async function exported(fromMs: number, toMs: number, signal?: AbortSignal): Promise<Recording> {
  const plan = await client.recordingPlan({ startMs: fromMs, endMs: toMs });
  return await assembleRecording(plan, {
    part: (track, group) => client.recordingPart(track, group),
    signal,
    onProgress: undefined,
  });
}

async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}

async function ring(): Promise<KeyRing> {
  return await KeyRing.create([key.publicKey]);
}

describe("an exported recording", () => {
  test("is a file with both tracks, from time 0, and proven to the last byte", async () => {
    await play();
    const { file, manifests, range, holes } = await exported((FIRST + 1) * 1000, (FIRST + 3) * 1000);
    expect(range).toEqual({ startMs: (FIRST + 1) * 1000, endMs: (FIRST + 3) * 1000 });
    expect(holes).toEqual([]);
    const verdict = await verifyExport(await bytesOf(file), await bytesOf(manifests), await ring());
    expect(verdict).toMatchObject({ bytes: file.size, groups: 4, incomplete: 0, missing: [] });

    const input = new Input({ formats: ALL_FORMATS, source: new BlobSource(file) });
    const video = await input.getPrimaryVideoTrack();
    const audio = await input.getPrimaryAudioTrack();
    if (!video || !audio) throw new Error("a track lacks");
    const packets: number[] = [];
    for await (const { timestamp } of new EncodedPacketSink(video).packets()) packets.push(timestamp);
    expect(packets).toHaveLength(50);
    expect(packets[0]).toBe(0);
    expect(packets.at(-1)).toBeCloseTo(1.96, 5);
    expect(await audio.getFirstTimestamp()).toBeLessThan(0.03);
    expect(await input.computeDuration()).toBeCloseTo(2, 1);
  });

  test("with a hole says so, and so does whoever checks it", async () => {
    await play([FIRST + 2]);
    const { file, manifests, holes } = await exported(FIRST * 1000, (FIRST + 4) * 1000);
    expect(holes).toEqual([{ startMs: (FIRST + 2) * 1000, endMs: (FIRST + 3) * 1000 }]);
    const verdict = await verifyExport(await bytesOf(file), await bytesOf(manifests), await ring());
    expect(verdict.missing.map(({ first, last }) => [first, last])).toEqual([
      [FIRST + 2, FIRST + 2],
      [FIRST + 2, FIRST + 2],
    ]);
  });

  test("with any byte changed is found out, wherever it is", async () => {
    await play();
    const { file, manifests } = await exported(FIRST * 1000, (FIRST + 1) * 1000);
    const good = await bytesOf(file);
    const beside = await bytesOf(manifests);
    const keyRing = await ring();
    const step = Math.max(1, Math.floor(good.byteLength / 97));
    for (let at = 0; at < good.byteLength; at += step) {
      const bad = good.slice();
      bad[at] = (bad[at] ?? 0) ^ 0x40;
      await expect(verifyExport(bad, beside, keyRing), `byte ${at}`).rejects.toMatchObject({
        code: "object-mismatch",
      });
    }
    for (const bad of [good.subarray(0, good.byteLength - 1), Uint8Array.of(...good, 0)])
      await expect(verifyExport(bad, beside, keyRing)).rejects.toMatchObject({ code: "object-mismatch" });
  });

  test("says of every chunk which track it is of and when it plays, and neither can be changed", async () => {
    await play();
    const { file, manifests } = await exported(FIRST * 1000, (FIRST + 1) * 1000);
    const good = await bytesOf(file);
    const beside = await bytesOf(manifests);
    const keyRing = await ring();
    for (const box of ["tfhd", "tfdt"]) {
      const at = Buffer.from(good).indexOf(box);
      expect(at).toBeGreaterThan(0);
      // Behind the box's name, version and flags: the last byte of a track's number, or of a time.
      const field = at + 4 + 4 + (box === "tfhd" ? 3 : 7);
      const bad = good.slice();
      bad[field] = (bad[field] ?? 0) ^ 3;
      await expect(verifyExport(bad, beside, keyRing), box).rejects.toMatchObject({
        code: "object-mismatch",
      });
    }
  });

  test("is not believed when its manifests are rearranged, or by another key", async () => {
    await play();
    const { file, manifests } = await exported(FIRST * 1000, (FIRST + 2) * 1000);
    const good = await bytesOf(file);
    const sidecar = decodeSidecar(await bytesOf(manifests));
    const refuses = async (change: Partial<Sidecar>): Promise<void> => {
      await expect(
        verifyExport(good, encodeSidecar({ ...sidecar, ...change }), await ring()),
      ).rejects.toHaveProperty("code", expect.stringMatching(/^(object|manifest)-/));
    };
    // Sound from one second under the picture of another.
    const [video0, audio0, video1, audio1] = sidecar.groups;
    if (!video0 || !audio0 || !video1 || !audio1) throw new Error("two groups of two tracks are expected");
    await refuses({ groups: [video0, audio1, video1, audio0] });
    await refuses({ groups: [video0, audio0, video1] });
    await refuses({ groups: [{ ...video0, group: 7 }, audio0, video1, audio1] });
    await refuses({ beginsS: sidecar.beginsS + 1 });
    await refuses({ durationMs: sidecar.durationMs + 1 });
    await refuses({ tracks: sidecar.tracks.toReversed() });
    await refuses({ catalog: { ...sidecar.catalog, payload: sidecar.catalog.payload.slice(1) } });
    const stranger = await importSeed(generateSeed());
    await expect(
      verifyExport(good, await bytesOf(manifests), await KeyRing.create([stranger.publicKey])),
    ).rejects.toHaveProperty("code", "manifest-wrong-key");
  });

  test("can be canceled, and a stretch that nobody has is refused", async () => {
    await play();
    const abort = new AbortController();
    abort.abort();
    await expect(exported(FIRST * 1000, (FIRST + 2) * 1000, abort.signal)).rejects.toMatchObject({
      code: "destroyed",
    });
    await expect(exported(1000, 2000)).rejects.toMatchObject({ code: "range-unavailable" });
  });

  test("is accepted by the command line, and refused when it was tampered with", async () => {
    await play();
    const { file, manifests } = await exported(FIRST * 1000, (FIRST + 2) * 1000);
    const files = new Map([
      ["match.mp4", await bytesOf(file)],
      ["match.manifests", await bytesOf(manifests)],
    ]);
    const lines: string[] = [];
    const verify = (root: string): Promise<number> =>
      run(["verify", "match.mp4", "--manifests", "match.manifests", "--root", root], {
        readFile: async (path) => files.get(path) ?? new Uint8Array(),
        writeFile: async () => undefined,
        now: () => Date.now(),
        print: (line) => lines.push(line),
        printError: (line) => lines.push(line),
      });
    const root = Buffer.from(key.publicKey).toString("hex");
    expect(await verify(root)).toBe(0);
    expect(lines[0]).toMatch(/^Good: \d+ bytes in 20 objects of .*video.* and .*audio/);
    const tampered = files.get("match.mp4")?.slice() ?? new Uint8Array();
    tampered[tampered.byteLength - 5] = (tampered[tampered.byteLength - 5] ?? 0) ^ 1;
    files.set("match.mp4", tampered);
    expect(await verify(root)).toBe(1);
    expect(lines.at(-1)).toContain("object-mismatch");
  });
});

test("what is kept is told in whole groups, and forgotten when nothing is kept any more", async () => {
  await play();
  const kept = await client.keep([{ startMs: FIRST * 1000 + 300, endMs: (FIRST + 2) * 1000 - 100 }]);
  expect(kept).toEqual([{ startMs: FIRST * 1000, endMs: (FIRST + 2) * 1000 }]);
  expect((await client.stats()).kept).toEqual(kept);
  await expect(client.keep([{ startMs: 2, endMs: 1 }])).rejects.toMatchObject({ code: "invalid-options" });
  expect((await client.stats()).kept).toEqual(kept);
  expect(await client.keep([])).toEqual([]);
  expect((await client.stats()).kept).toEqual([]);
});
