/** The keys of a cluster: one that the player pins, and one that signs, which may be the same. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateStreamId } from "../../../src/publish/signer.ts";
import { signDelegation } from "../../../src/trust/delegation.ts";
import { generateSeed, importSeed, type SigningKey } from "../../../src/trust/keys.ts";
import { namespaceOf } from "../../../src/wire/names.ts";
import type { PeerProcess } from "./peer-process.ts";

const HOUR_MS = 3_600_000;

export interface ClusterSigning {
  /** The key that the player pins. */
  readonly root: SigningKey;
  /** For the signer. */
  readonly flags: readonly string[];
  /** For all signers of one stream, of which there must never be two. */
  readonly streamFlags: readonly string[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Keys as files in `folder`. `delegated`: the signer has a key of its own, and the root's word for it. */
export async function makeSigning(
  folder: string,
  broadcast: string,
  delegated: boolean,
): Promise<ClusterSigning> {
  const rootSeed = generateSeed();
  const root = await importSeed(rootSeed);
  const signerSeed = delegated ? generateSeed() : rootSeed;
  const seedFile = join(folder, "signer.seed");
  await writeFile(seedFile, hex(signerSeed), { mode: 0o600 });
  const flags = ["--seed", seedFile];
  if (delegated) {
    const { publicKey } = await importSeed(signerSeed);
    flags.push("--delegation", hex(await delegate(root, publicKey, broadcast, 1)));
  }
  return { root, flags, streamFlags: ["--stream-id", hex(generateStreamId())] };
}

/** The root's word for a key, from an hour ago to an hour from now. A higher serial replaces a lower one from `fromMs` on. */
export function delegate(
  root: SigningKey,
  publicKey: Uint8Array,
  broadcast: string,
  serial: number,
  fromMs = Date.now() - HOUR_MS,
): Promise<Uint8Array<ArrayBuffer>> {
  return signDelegation(root, {
    publicKey,
    namespacePrefix: namespaceOf(...broadcast.split("/")),
    notBeforeMs: fromMs,
    notAfterMs: Date.now() + HOUR_MS,
    serial,
  });
}

export interface NewKeys {
  readonly seed: Uint8Array;
  readonly successions?: readonly Uint8Array[];
  readonly delegations?: readonly Uint8Array[];
  readonly revocations?: readonly Uint8Array[];
  /** When the key takes over; default at once. The statements are sent at once. */
  readonly fromMs?: number;
}

/** Gives the signer other keys. */
export function changeKeys(signer: PeerProcess, keys: NewKeys): void {
  const { seed, successions = [], delegations = [], revocations = [], fromMs } = keys;
  signer.command({
    type: "keys",
    keys: {
      seed: hex(seed),
      successions: successions.map(hex),
      delegations: delegations.map(hex),
      revocations: revocations.map(hex),
      ...(fromMs !== undefined && { fromMs }),
    },
  });
}
