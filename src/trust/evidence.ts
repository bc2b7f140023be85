/**
 * Evidence that a signer said two things that cannot both be true, in a form that convinces others.
 *
 * Whoever has the broadcaster's root keys can check it without trusting who exported it: the signatures are the signer's, and that the manifests contradict each other
 * is found again, not believed. Only which peer brought which is the exporter's word.
 */
import { CountersignError } from "../errors.ts";
import type { FullTrackName } from "../wire/names.ts";
import { trackKey } from "../wire/names.ts";
import { compareVarInt } from "../wire/varint.ts";
import { bytesKey, equalBytes } from "./bytes.ts";
import { type CborValue, decodeCbor, isArray, isBytes, isMap } from "./cbor.ts";
import { encodeCbor } from "./cbor-writer.ts";
import type { Contradiction, Link } from "./chain.ts";
import { carriesKeyStatements, type KeyStatements, MANIFEST_AAD, openEnvelope } from "./envelope.ts";
import type { KeyRing } from "./key-ring.ts";
import { MAX_EVIDENCE_BYTES } from "./limits.ts";
import { decodeManifest } from "./manifest.ts";
import { prove } from "./signature-proof.ts";
import { TrackHistory } from "./track-history.ts";

export interface EvidenceBundle {
  /** Manifest envelopes that cannot all be true, with the peer that brought each, as its finder says. */
  readonly manifests: readonly { readonly envelope: Uint8Array; readonly peer: string }[];
  /** What leads from the roots to the signer. */
  readonly keyStatements: KeyStatements;
}

/** What a checker found to be true. */
export interface ProvenEquivocation {
  readonly track: FullTrackName;
  readonly streamId: Uint8Array;
  /** The contradiction, as a clause. */
  readonly what: string;
  readonly first: Link;
  readonly second: Link;
}

const KEY = { version: 1, manifests: 2, successions: 3, delegations: 4, revocations: 5 } as const;
const KEY_COUNT = 5;

/** The least of what is known that proves `contradiction`: the two manifests when they are enough, else with all others of their group. */
export function evidenceOf(
  { first, second }: Contradiction,
  ofGroup: readonly Link[],
  keyStatements: KeyStatements,
): EvidenceBundle {
  // One whose own signature was not looked at may need those that vouch for it, which are of its group.
  const enough =
    first.byChain !== true && second.byChain !== true && contradictionAmong([first, second]) !== undefined;
  const links = enough ? [first, second] : [...ofGroup, first, second];
  const distinct = new Map(links.map((link) => [bytesKey(link.statement), link]));
  return {
    manifests: [...distinct.values()].map(({ envelope, source }) => ({ envelope, peer: source })),
    keyStatements,
  };
}

/** As a file: CBOR, described in docs/manifest-format.md. */
export function encodeEvidence({ manifests, keyStatements }: EvidenceBundle): Uint8Array<ArrayBuffer> {
  return encodeCbor(
    new Map<number, CborValue>([
      [KEY.version, 1],
      [KEY.manifests, manifests.map(({ envelope, peer }) => [envelope, peer])],
      [KEY.successions, keyStatements.succession],
      [KEY.delegations, keyStatements.delegation],
      [KEY.revocations, keyStatements.revocation],
    ]),
  );
}

/** For any bytes it returns or throws CountersignError "manifest-malformed". */
export function decodeEvidence(bytes: Uint8Array): EvidenceBundle {
  if (bytes.byteLength > MAX_EVIDENCE_BYTES) throw malformed(`${bytes.byteLength} bytes are too many`);
  const map = decodeCbor(bytes);
  if (!isMap(map) || map.size !== KEY_COUNT || map.get(KEY.version) !== 1)
    throw malformed("it is not of version 1");
  const manifests = map.get(KEY.manifests);
  if (!isArray(manifests)) throw malformed("it has no manifests");
  return {
    manifests: manifests.map((item) => {
      const [envelope, peer] = isArray(item) && item.length === 2 ? item : [];
      if (!isBytes(envelope) || typeof peer !== "string")
        throw malformed("a manifest is not [envelope, peer]");
      return { envelope, peer };
    }),
    keyStatements: {
      succession: byteStrings(map.get(KEY.successions)),
      delegation: byteStrings(map.get(KEY.delegations)),
      revocation: byteStrings(map.get(KEY.revocations)),
    },
  };
}

/**
 * Checks evidence with the roots of `keyRing` (which learns the key statements that come along). Rejects with CountersignError: "manifest-malformed", the reason why one of the
 * manifests does not count ("manifest-wrong-key", "manifest-key-revoked", ...), "manifest-wrong-stream" when they are not of one track and stream, or "invalid-options" when all of it
 * can be true together.
 */
export async function verifyEvidence(bundle: EvidenceBundle, keyRing: KeyRing): Promise<ProvenEquivocation> {
  await keyRing.admitAll(bundle.keyStatements);
  const links = await readLinks(bundle, keyRing);
  const [some] = links;
  for (const { manifest } of links) {
    const { track, streamId } = some!.manifest;
    if (trackKey(manifest.track) !== trackKey(track) || !equalBytes(manifest.streamId, streamId)) {
      throw new CountersignError("manifest-wrong-stream", "The manifests are not of one track and stream.");
    }
  }
  const found = contradictionAmong(links);
  if (some === undefined || found === undefined) {
    throw new CountersignError("invalid-options", "This proves nothing: all of it can be true together.");
  }
  const { track, streamId } = some.manifest;
  return { track, streamId, ...found };
}

async function readLinks({ manifests }: EvidenceBundle, keyRing: KeyRing): Promise<Link[]> {
  const read = manifests.map(({ envelope: bytes, peer }) => {
    const envelope = openEnvelope(bytes, MANIFEST_AAD);
    return { bytes, peer, envelope, manifest: decodeManifest(envelope.payload) };
  });
  for (const { envelope } of read) await keyRing.admitAll(envelope.keyStatements);
  const proofs = await prove(read, (kid) => keyRing.candidates(kid), "A manifest");
  return read.map(({ bytes, peer, envelope, manifest }, i): Link => {
    const proof = proofs[i]!;
    if (proof instanceof CountersignError) throw proof;
    const unauthorised = keyRing.authorise(proof.key, manifest.track, manifest.issuedAtMs);
    if (unauthorised !== undefined) throw unauthorised;
    const { statement, signature } = envelope;
    const introducing = carriesKeyStatements(envelope);
    return { manifest, key: proof.key, source: peer, statement, signature, envelope: bytes, introducing };
  });
}

function contradictionAmong(links: readonly Link[]): Contradiction | undefined {
  const history = new TrackHistory();
  const inOrder = [...links].sort((a, b) => compareVarInt(a.manifest.sequence, b.manifest.sequence));
  for (const link of inOrder) {
    try {
      history.add(link);
    } catch {
      // Not plausible beside the others, which proves nothing against anybody.
    }
  }
  return history.contradiction;
}

function byteStrings(value: CborValue | undefined): readonly Uint8Array[] {
  if (!isArray(value) || !value.every((item) => isBytes(item)))
    throw malformed("its key statements are none");
  return value as readonly Uint8Array[];
}

function malformed(what: string): CountersignError {
  return new CountersignError("manifest-malformed", `The evidence is malformed: ${what}.`);
}
