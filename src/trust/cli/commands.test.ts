import { describe, expect, it } from "vitest";
import { utf8Decode, utf8Encode } from "../../utf8.ts";
import { hex } from "../bytes.ts";
import { encodeEvidence } from "../evidence.ts";
import { FreeSigner, keys, ManualClock, SEEDS, START_MS, STREAM_ID, VIDEO } from "../fixtures.ts";
import { KeyRing } from "../key-ring.ts";
import { SignedTrackTrust } from "../track-trust.ts";
import { run, USAGE } from "./commands.ts";

function setUp() {
  const files = new Map<string, Uint8Array>();
  const secrets: string[] = [];
  const lines: string[] = [];
  const on = {
    readFile: async (path: string) => {
      const file = files.get(path);
      if (file === undefined) throw new Error(`no file ${path}`);
      return file;
    },
    writeFile: async (path: string, data: Uint8Array, { secret }: { readonly secret: boolean }) => {
      if (files.has(path)) throw new Error(`${path} exists`);
      files.set(path, data);
      if (secret) secrets.push(path);
    },
    now: () => START_MS,
    print: (line: string) => lines.push(line),
    printError: (line: string) => lines.push(line),
  };
  /** Runs a command line; words are split at spaces. */
  const cli = async (line: string) => {
    lines.length = 0;
    const code = await run(line.split(" "), on);
    return `${code} ${lines.join("\n")}`;
  };
  return { files, secrets, cli };
}

/** A root, a signer it delegated to, and a clip signed in objects of 1000 bytes. */
async function signed() {
  const all = setUp();
  const { cli, files } = all;
  files.set(
    "clip.mp4",
    new Uint8Array(3_500).map((_, i) => i * 7),
  );
  for (const line of [
    "keys root",
    "keys signer",
    "delegate --root root.seed --key signer.pub --namespace example.com --out d",
    "sign clip.mp4 --key signer.seed --namespace example.com/live --track video --delegation d --object-bytes 1000 --out clip.m",
  ])
    expect(await cli(line)).toMatch(/^0/);
  return all;
}
const VERIFY = "verify clip.mp4 --manifests clip.m --root root.pub";

describe("countersign", () => {
  it("makes keys that only their owner can read, and never over others", async () => {
    const { cli, files, secrets } = setUp();
    expect(await cli("keys root")).toMatch(/^0 [0-9a-f]{64} {2}root\.pub$/);
    expect(secrets).toEqual(["root.seed"]);
    expect(utf8Decode(files.get("root.seed")!)).toMatch(/^[0-9a-f]{64}\n$/);
    expect(await cli("keys root")).toMatch(/^1 .*exists/);
  });

  it("signs a file through a delegated key, and proves it to whoever has the root key", async () => {
    const { cli } = await signed();
    expect(await cli(VERIFY)).toBe(
      `0 Good: 3500 bytes in 4 objects of example.com/live video, signed ${new Date(START_MS).toISOString()}.`,
    );
    expect(await cli("verify clip.mp4 --manifests clip.m --root signer.pub")).toMatch(/^0/);
    await cli("keys other");
    expect(await cli("verify clip.mp4 --manifests clip.m --root other.pub")).toMatch(/^1 manifest-wrong-key/);
  });

  it("names the place where a file is not what was signed", async () => {
    const { cli, files } = await signed();
    const clip = files.get("clip.mp4")!;
    files.set("clip.mp4", clip.with(2_500, 0));
    expect(await cli(VERIFY)).toMatch(/^1 object-mismatch: .*byte 2000/);
    files.set("clip.mp4", clip.subarray(0, 3_499));
    expect(await cli(VERIFY)).toMatch(/^1 object-mismatch: .*byte 3000/);
    files.set("clip.mp4", Uint8Array.of(...clip, 0));
    expect(await cli(VERIFY)).toMatch(/^1 object-mismatch: .*3501 bytes; 3500/);
  });

  it("does not take a part for the whole, nor manifests out of their order", async () => {
    const { cli, files } = setUp();
    files.set("root.seed", utf8Encode(hex(SEEDS.root)));
    files.set("clip.mp4", new Uint8Array(2_050).fill(3));
    // Two groups of up to 1024 objects of 1 byte, and what is left; then the end.
    await cli("sign clip.mp4 --key root.seed --namespace a --track t --object-bytes 1 --out clip.m");
    const root = `--root ${hex(keys.root.publicKey)}`;
    expect(await cli(`verify clip.mp4 --manifests clip.m ${root}`)).toMatch(/^0 Good: 2050 bytes in 2050/);
    const { decodeManifests, encodeManifests } = await import("../recording.ts");
    const [a, b, c, end] = decodeManifests(files.get("clip.m")!);
    const check = async (bytes: number, ...manifests: Uint8Array[]) => {
      files.set("part", new Uint8Array(bytes).fill(3));
      files.set("part.m", encodeManifests(manifests));
      return cli(`verify part --manifests part.m ${root}`);
    };
    expect(await check(2_050, a!, b!, c!, end!)).toMatch(/^0/);
    expect(await check(2_050, a!, b!, c!)).toMatch(/^1 .*part of the recording/s);
    expect(await check(2_048, b!, a!)).toMatch(/^1 manifest-broken-chain/);
    expect(await check(1_026, a!, c!, end!)).toMatch(/^1 manifest-broken-chain/);
    expect(await check(0)).toMatch(/^1 manifest-malformed/);
  });

  it("takes back a signed file when the checker knows that its key was revoked, or that its root had been retired", async () => {
    const { cli } = await signed();
    await cli("revoke --root root.seed --key signer.pub --out r");
    expect(await cli(`${VERIFY} --revocation r`)).toMatch(/^1 manifest-key-revoked/);
    await cli(`revoke --root root.seed --key signer.pub --from ${START_MS + 1} --out later`);
    expect(await cli(`${VERIFY} --revocation later`)).toMatch(/^0/);
    await cli("keys next");
    await cli(`succeed --root root.seed --key next.pub --from ${START_MS} --out s`);
    expect(await cli(`${VERIFY} --succession s`)).toMatch(/^1 manifest-expired/);
    expect(await cli(`${VERIFY} --succession r`)).toMatch(/^1 manifest-bad-signature/);
  });

  it("checks exported evidence, and says what it proves", async () => {
    const { cli, files } = setUp();
    const clock = new ManualClock();
    const keyRing = await KeyRing.create([keys.root.publicKey]);
    const trust = new SignedTrackTrust({ track: VIDEO, keyRing, clock, streamId: STREAM_ID });
    const signer = new FreeSigner(clock);
    await trust.offer("https://a.example/", await signer.say({ group: 7 }));
    await trust.offer("https://b.example/", await signer.say({ group: 8 }));
    files.set("e", encodeEvidence(trust.exportEvidence()!));
    const said = await cli(`verify e --root ${hex(keys.root.publicKey)}`);
    expect(said).toMatch(/^0 Proven: the signer of example\.com\/live video .*two manifests with sequence 0/);
    expect(said).toContain("https://b.example/");
    expect(await cli(`verify e --root ${hex(keys.stranger.publicKey)}`)).toMatch(/^1 manifest-wrong-key/);
    expect(await cli("print e")).toContain(
      "from https://a.example/:\nmanifest 0 of example.com/live video, group 7",
    );
  });

  it("prints what it makes in readable form, and nothing else", async () => {
    const { cli, files } = await signed();
    expect(await cli("print clip.m")).toContain("closes the group: 4 objects");
    expect(await cli("print clip.m")).toMatch(/object 3: 500 bytes, leaf [0-9a-f]{64}/);
    expect(await cli("print d")).toMatch(/^0 delegation .*for {8}example\.com/s);
    await cli("revoke --root root.seed --key signer.pub --out r");
    expect(await cli("print r")).toContain("from       1970-01-01T00:00:00.000Z");
    files.set("junk", Uint8Array.of(1, 2, 3));
    expect(await cli("print junk")).toMatch(/^1 manifest-malformed/);
  });

  it("answers a wrong question with what was wrong about it", async () => {
    const { cli } = setUp();
    for (const [line, answer] of [
      ["constructor", "no command"],
      ["keys", "1 names"],
      ["keys a b", "1 names"],
      ["verify x", "--root is missing"],
      [`revoke --root a --root b --key ${"0".repeat(64)} --out d --from 0`, "twice"],
      ["revoke --root a --key c --out d --from soon", "no time"],
      ["keys a --what 1", "--what"],
      [`succeed --root a --key ${"0".repeat(64)} --out d`, "--from is missing"],
    ])
      expect(await cli(line!)).toMatch(new RegExp(`^2 .*${answer}`, "s"));
    expect(await cli("help")).toBe(`0 ${USAGE}`);
  });
});
