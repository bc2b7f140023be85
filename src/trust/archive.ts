/**
 * Checks what comes out of a store, or off a recording, again: a disk is no more trusted than a relay.
 *
 * The evidence is judged by the same rules as live manifests, except that nothing is asked of the present: a key had to be authorised when it signed, not now.
 */
import { CountersignError, toCountersignError } from "../errors.ts";
import { type FullTrackName, trackKey } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { compareVarInt, type VarInt } from "../wire/varint.ts";
import { equalBytes } from "./bytes.ts";
import { ManifestChain } from "./chain.ts";
import { carriesKeyStatements, MANIFEST_AAD, openEnvelope } from "./envelope.ts";
import { GroupTruths } from "./group-truths.ts";
import { includedEntry } from "./inclusion.ts";
import type { KeyRing } from "./key-ring.ts";
import { objectLeaf } from "./leaf.ts";
import { decodeManifest } from "./manifest.ts";
import { merkleRoot } from "./merkle.ts";
import { prove } from "./signature-proof.ts";
import type { GroupCompletion, GroupTruth, SignedEntry, Verified } from "./types.ts";
import { checkObject, markVerified } from "./verified.ts";

/** What a store gives back; replay's StoredGroup is one. */
export interface GroupWithEvidence {
  readonly group: VarInt;
  readonly evidence: readonly Uint8Array[];
  readonly objects: readonly MoqObject[];
}

export interface ArchiveOptions {
  readonly track: FullTrackName;
  readonly keyRing: KeyRing;
  /** The stream it must be of; without it any stream of the track's, but only one. */
  readonly streamId?: Uint8Array;
}

export interface ArchiveVerdict {
  /** In order of object id. */
  readonly objects: readonly Verified<MoqObject>[];
  /** Ids of objects that are not proven: altered, never signed, or without evidence. */
  readonly failed: readonly VarInt[];
  /** Every object that the signer named is among `objects`; false also when that is not known. */
  readonly complete: boolean;
  /** The stream that the evidence is of: for a stored catalog, the one to pin the media tracks to. Undefined without good evidence. */
  readonly streamId: Uint8Array | undefined;
  /** Why nothing, or not all, could be proven. */
  readonly error?: CountersignError;
}

/**
 * Which objects of a stored group the evidence proves. With all manifests of the group each object is judged by itself; with the closing manifest alone
 * all of them must be there and right, since a Merkle root cannot say which one is not; those that bring a proof of their own (inclusion.ts) are judged by it. Resolves for any input.
 */
export async function verifyStoredGroup(
  stored: GroupWithEvidence,
  options: ArchiveOptions,
): Promise<ArchiveVerdict> {
  const objects = [...stored.objects].sort((a, b) => compareVarInt(a.object, b.object));
  const ids = objects.map(({ object }) => object);
  try {
    const { truth, streamId } = await readGroupEvidence(stored.group, stored.evidence, options);
    const duplicated = ids.some((id, i) => id === ids[i - 1]);
    const strayed = objects.some(({ group }) => group !== stored.group);
    if (duplicated || strayed) throw corrupt("it holds an object twice, or one of another group");
    return { ...(await judgeGroup(objects, truth)), streamId };
  } catch (thrown) {
    return {
      objects: [],
      failed: ids,
      complete: false,
      streamId: undefined,
      error: toCountersignError(thrown, "store-corrupt"),
    };
  }
}

/** Which of these objects, in order of object id, `truth` proves: for a reader that collects a group from several places and reads its evidence once. */
export async function judgeGroup(
  objects: readonly MoqObject[],
  truth: GroupTruth,
): Promise<Omit<ArchiveVerdict, "streamId">> {
  const { completion } = truth;
  if (completion !== undefined && objects.length === completion.objectCount) {
    const leaves = await Promise.all(objects.map(leafOrNothing));
    const all = leaves.every((leaf) => leaf !== undefined);
    if (all && equalBytes(merkleRoot(leaves), completion.root)) {
      return { objects: objects.map((object) => markVerified(object)), failed: [], complete: true };
    }
  }
  const entries = new Map(truth.entries.map((entry) => [entry.object, entry]));
  const verified: Verified<MoqObject>[] = [];
  const failed: VarInt[] = [];
  for (const object of objects) {
    const entry = entries.get(object.object) ?? (completion && (await includedOrNothing(object, completion)));
    const good = entry === undefined ? undefined : await checkOrNothing(object, entry);
    if (good === undefined) failed.push(object.object);
    else verified.push(good);
  }
  const complete = completion !== undefined && verified.length === completion.objectCount;
  if (failed.length === 0) return { objects: verified, failed, complete };
  return {
    objects: verified,
    failed,
    complete,
    error: corrupt(`${failed.length} of its objects are not what was signed`),
  };
}

/** Properties that cannot be parsed are not those that were signed. */
async function leafOrNothing(object: MoqObject): Promise<Uint8Array | undefined> {
  if (object.status !== "normal") return undefined;
  try {
    return await objectLeaf(object);
  } catch {
    return undefined;
  }
}

async function includedOrNothing(
  object: MoqObject,
  completion: GroupCompletion,
): Promise<SignedEntry | undefined> {
  try {
    return await includedEntry(object, completion);
  } catch {
    return undefined;
  }
}

async function checkOrNothing(
  object: MoqObject,
  entry: SignedEntry,
): Promise<Verified<MoqObject> | undefined> {
  try {
    return await checkObject(object, entry);
  } catch {
    return undefined;
  }
}

export interface GroupEvidence {
  readonly truth: GroupTruth;
  readonly streamId: Uint8Array | undefined;
}

/** What the envelopes together say of the group. Rejects when one of them is not good, or two do not fit. */
export async function readGroupEvidence(
  group: VarInt,
  evidence: readonly Uint8Array[],
  options: ArchiveOptions,
): Promise<GroupEvidence> {
  const chain = new ManifestChain();
  const truths = new GroupTruths();
  let { streamId } = options;
  const read = evidence.map((bytes) => {
    const envelope = openEnvelope(bytes, MANIFEST_AAD);
    return { bytes, envelope, manifest: decodeManifest(envelope.payload) };
  });
  const { keyRing } = options;
  for (const { envelope } of read) await keyRing.admitAll(envelope.keyStatements);
  const proofs = await prove(read, (kid) => keyRing.candidates(kid), "A stored manifest");
  for (const [i, { bytes, envelope, manifest }] of read.entries()) {
    const proof = proofs[i]!;
    if (proof instanceof CountersignError) throw proof;
    const { key } = proof;
    streamId ??= manifest.streamId;
    const sameTrack = trackKey(manifest.track) === trackKey(options.track);
    if (!sameTrack || manifest.group !== group || !equalBytes(manifest.streamId, streamId)) {
      throw new CountersignError(
        "manifest-wrong-stream",
        "A stored manifest is of another track, stream or group.",
      );
    }
    const unauthorised = options.keyRing.authorise(key, manifest.track, manifest.issuedAtMs);
    if (unauthorised !== undefined) throw unauthorised;
    const { statement, signature } = envelope;
    const introducing = carriesKeyStatements(envelope);
    const link = { manifest, key, source: "store", statement, signature, envelope: bytes, introducing };
    const place = chain.judge(link);
    if (place.kind === "known") continue;
    const fits = place.kind === "new" && truths.judge(link).kind === "fits";
    if (!fits)
      throw new CountersignError("manifest-equivocation", "Two stored manifests contradict each other.");
    chain.add(link);
    truths.apply(link);
  }
  return { truth: truths.truth(group) ?? { group, entries: [], completion: undefined }, streamId };
}

function corrupt(what: string): CountersignError {
  return new CountersignError("store-corrupt", `A stored group cannot be proven: ${what}.`);
}
