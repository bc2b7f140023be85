/**
 * The judge of one track: takes envelopes from manifest peers that nobody has to trust, and knows what the signer said.
 *
 * For a reader new to this: a relay can send any bytes under any name. The signer publishes, beside each media track, small signed statements ("group 7 has an
 * object 3 of 5,120 bytes with this digest"). They may come from several peers, twice, late, out of order, forged, or from yesterday. This class lets through
 * those that a trusted key signed for this track and this stream, and that fit together into one history; everything else in the player asks it what
 * must exist, and shows nothing that it does not know.
 *
 * The steps of one envelope, cheapest first: seen before? within the source's budget? well-formed? a key we know? a good signature, or one of a later manifest that came with it
 * and vouches for it? this track and stream? allowed to sign it then? plausible time? fits the chain? fits the group? Only the signature is asynchronous; from there on nothing
 * waits, so the outcome does not depend on how checks of several envelopes interleave.
 */
import type { Clock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import { type FullTrackName, trackKey } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { equalBytes } from "./bytes.ts";
import type { Contradiction, Link } from "./chain.ts";
import { carriesKeyStatements, MANIFEST_AAD, openEnvelope } from "./envelope.ts";
import { EnvelopeGate, type Judgement, refusal } from "./envelope-gate.ts";
import { type EvidenceBundle, evidenceOf } from "./evidence.ts";
import { Freshness } from "./freshness.ts";
import { carriesInclusionProof, includedEntry } from "./inclusion.ts";
import type { KeyRing } from "./key-ring.ts";
import { CLOCK_SKEW_MS } from "./limits.ts";
import { decodeManifest } from "./manifest.ts";
import { ProofQueue } from "./proof-queue.ts";
import { signerAmong } from "./signature-proof.ts";
import { TrackHistory } from "./track-history.ts";
import type {
  GroupCompletion,
  GroupTruth,
  Lookup,
  Manifest,
  SignedEntry,
  TrackTrust,
  TrackTrustEvents,
  TrustState,
  Verified,
} from "./types.ts";
import { checkObject } from "./verified.ts";

export interface SignedTrackTrustOptions {
  readonly track: FullTrackName;
  /** Shared by the tracks of a broadcast, so that a delegation that came with one is known to all. */
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  /**
   * The stream this track must belong to (the catalog's, for media tracks). Without it the first accepted manifest decides, and that one must be
   * fresh: otherwise a peer could pin a viewer to a session of long ago.
   */
  readonly streamId?: Uint8Array;
  /** How far the two clocks may be apart. Default CLOCK_SKEW_MS. */
  readonly clockSkewMs?: number;
}

export class SignedTrackTrust implements TrackTrust {
  readonly track: FullTrackName;
  readonly #trackKey: string;
  readonly #keyRing: KeyRing;
  readonly #clock: Clock;
  readonly #skewMs: number;
  readonly #events = new Emitter<TrackTrustEvents>();
  readonly #history = new TrackHistory();
  readonly #freshness: Freshness;
  readonly #gate: EnvelopeGate;
  readonly #proofs: ProofQueue;
  readonly #stopListening: () => void;
  /** The stream was given, not taken from the first manifest. */
  readonly #pinned: boolean;
  #streamId: Uint8Array | undefined;
  #successor: Uint8Array | undefined;
  #state: TrustState = "waiting";
  #closed = false;

  constructor(options: SignedTrackTrustOptions) {
    this.track = options.track;
    this.#trackKey = trackKey(options.track);
    this.#keyRing = options.keyRing;
    this.#clock = options.clock;
    this.#skewMs = options.clockSkewMs ?? CLOCK_SKEW_MS;
    this.#streamId = options.streamId;
    this.#pinned = options.streamId !== undefined;
    this.#proofs = new ProofQueue((kid) => this.#keyRing.candidates(kid));
    this.#gate = new EnvelopeGate({
      clock: options.clock,
      judge: (source, envelope, park) => this.#judge(source, envelope, park),
      onRefused: (source, error) => this.#onRefused(source, error),
    });
    this.#freshness = new Freshness(options.clock, this.#skewMs, () => {
      this.#setState("stale", new CountersignError("manifest-expired", "The signer has gone silent."));
    });
    this.#stopListening = options.keyRing.on("change", () => {
      this.#withdraw();
      this.#gate.retryParked();
    });
  }

  get state(): TrustState {
    return this.#state;
  }

  get latestGroup(): VarInt | undefined {
    return this.#history.latestGroup;
  }

  /** The stream all accepted manifests belong to; undefined until the first one when none was given. */
  get streamId(): Uint8Array | undefined {
    return this.#streamId;
  }

  /** The newest manifest: it names the catalog in force and says how long silence is normal. */
  get newest(): Manifest | undefined {
    return this.#history.newest?.manifest;
  }

  /** In state "equivocation": the two manifests that cannot both be true, and who brought them. */
  get contradiction(): Contradiction | undefined {
    return this.#history.contradiction;
  }

  /** In state "equivocation": what convinces a third party who knows the roots; see {@link verifyEvidence}. */
  exportEvidence(): EvidenceBundle | undefined {
    const { contradiction } = this.#history;
    if (contradiction === undefined) return undefined;
    const group = contradiction.second.manifest.group;
    return evidenceOf(contradiction, this.#history.links(group), this.#keyRing.statements);
  }

  on<K extends keyof TrackTrustEvents>(type: K, listener: (event: TrackTrustEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  lookup(group: VarInt, object: VarInt): Lookup {
    return this.#history.lookup(group, object);
  }

  truth(group: VarInt): GroupTruth | undefined {
    return this.#history.truth(group);
  }

  /**
   * @inheritdoc
   * Envelopes beyond the source's budgets are refused unread with "limit-exceeded": a caller with very many (a long FETCH) awaits as it goes. One
   * that is refused for an unknown key is kept for a while and taken in by itself if the key's delegation comes.
   */
  offer(source: string, envelope: Uint8Array): Promise<Judgement> {
    if (this.#closed)
      return Promise.resolve(refusal(new CountersignError("destroyed", "This track is closed.")));
    return this.#gate.offer(source, envelope);
  }

  /** @inheritdoc */
  include(object: MoqObject): Promise<boolean> | undefined {
    const { completion } = this.#history.truth(object.group) ?? {};
    return completion && carriesInclusionProof(object) ? this.#include(object, completion) : undefined;
  }

  async #include(object: MoqObject, completion: GroupCompletion): Promise<boolean> {
    const entry = await includedEntry(object, completion);
    // What the root said may have been taken back meanwhile.
    const truth = this.#history.truth(object.group);
    if (this.#closed || entry === undefined || truth?.completion !== completion) return false;
    if (!this.#history.include(object.group, entry)) return false;
    this.#events.emit("truth", truth);
    return true;
  }

  async verify(object: MoqObject, entry: SignedEntry): Promise<Verified<MoqObject> | undefined> {
    if (!this.#history.owns(entry))
      throw new CountersignError("internal", "An object was checked against an entry of another track.");
    try {
      return await checkObject(object, entry);
    } catch (thrown) {
      const error = toCountersignError(thrown, "internal");
      // Properties that cannot be parsed are not those that were signed.
      if (error.code === "malformed-track") return undefined;
      throw error;
    }
  }

  /** @inheritdoc */
  evidence(group: VarInt, whole = true): readonly Uint8Array[] {
    return this.#history.evidence(group, whole);
  }

  close(): void {
    this.#closed = true;
    this.#freshness.stop();
    this.#stopListening();
    this.#gate.close();
    this.#events.clear();
  }

  async #judge(source: string, bytes: Uint8Array, park: () => void): Promise<VarInt> {
    const envelope = openEnvelope(bytes, MANIFEST_AAD);
    const known = this.#history.find(envelope.statement);
    // Statements about keys may have been added on the way, by a peer that knows of newer ones. They are unprotected, so a bad one says nothing
    // against the manifest it came with; but it costs a signature check.
    if (carriesKeyStatements(envelope) && !this.#keyRing.holds(envelope.keyStatements))
      await this.#keyRing.admitAll(envelope.keyStatements, () => this.#gate.charge(source));
    if (known !== undefined && equalBytes(known.signature, envelope.signature)) return known.manifest.group;
    const decoded = decodeOrReason(envelope.payload);
    const item = { envelope, manifest: decoded instanceof CountersignError ? undefined : decoded };
    let proof = await this.#proofs.prove(item);
    // Its key may have been introduced while others of its batch were being checked.
    if (isUnknownKey(proof) && this.#keyRing.candidates(envelope.kid).length > 0)
      proof = await this.#proofs.prove(item);
    if (isUnknownKey(proof)) park();
    if (proof instanceof CountersignError) throw proof;
    if (decoded instanceof CountersignError) throw decoded;
    const { key, byChain } = proof;
    const manifest = decoded;
    if (trackKey(manifest.track) !== this.#trackKey) throw wrongStream("It is of another track.");
    const unauthorised = this.#keyRing.authorise(key, manifest.track, manifest.issuedAtMs);
    if (unauthorised !== undefined) throw unauthorised;
    const { statement, signature } = envelope;
    const introducing = carriesKeyStatements(envelope);
    const link: Link = { manifest, key, source, statement, signature, envelope: bytes, byChain, introducing };
    if (!this.#accept(link)) {
      // What accuses the signer must stand by itself.
      await signerAmong(envelope, [key], "A manifest");
      this.#accept({ ...link, byChain: false });
    }
    return manifest.group;
  }

  /** Everything after the signature: synchronous. Throws the refusal; false when its own signature has to be checked before it can be judged. */
  #accept(link: Link): boolean {
    const { manifest } = link;
    if (this.#closed) throw new CountersignError("destroyed", "This track is closed.");
    if (this.#streamId !== undefined && !equalBytes(manifest.streamId, this.#streamId)) {
      this.#noticeSuccessor(manifest);
      throw wrongStream("It belongs to another stream of the same name, perhaps an earlier session.");
    }
    const { contradiction } = this.#history;
    if (contradiction !== undefined) throw equivocation(contradiction);
    this.#checkTime(manifest);
    return this.#add(link);
  }

  #add(link: Link): boolean {
    const { manifest } = link;
    const addition = this.#history.add(link);
    if (addition.kind === "known") return true;
    if (addition.kind === "unconfirmed") return false;
    if (addition.kind === "contradiction") {
      this.#freshness.stop();
      const error = equivocation(addition.contradiction);
      this.#setState("equivocation", error);
      throw error;
    }
    this.#streamId ??= manifest.streamId;
    if (addition.forgotten.length > 0) this.#gate.forget(new Set(addition.forgotten));
    // Only the newest manifest says anything about now; history does not make a stale track fresh.
    if (this.#history.newest === link) this.#renew(manifest);
    const truth = this.#history.truth(manifest.group);
    if (truth !== undefined) this.#events.emit("truth", truth);
    return true;
  }

  #renew({ issuedAtMs, freshForMs }: Manifest): void {
    if (this.#freshness.renew(issuedAtMs, freshForMs)) this.#setState("verified");
    else this.#setState("stale", new CountersignError("manifest-expired", "The newest manifest is too old."));
  }

  /** A statement about keys came: what a key had no right to say is taken back, whenever it was accepted. */
  #withdraw(): void {
    const mayHaveSigned = ({ key, manifest }: Link): boolean =>
      this.#keyRing.authorise(key, manifest.track, manifest.issuedAtMs) === undefined;
    const contradicted = this.#history.contradiction !== undefined;
    const { groups, left } = this.#history.withdraw(mayHaveSigned);
    const settled = contradicted && this.#history.contradiction === undefined;
    if (groups.size === 0 && !settled) return;
    this.#gate.reconsider(groups);
    this.#resume(left);
    this.#events.emit("withdrawn", { groups });
  }

  #resume(left: Link | undefined): void {
    this.#freshness.stop();
    const { newest } = this.#history;
    if (newest === undefined && !this.#pinned) this.#streamId = undefined;
    if (this.#history.contradiction !== undefined) return;
    if (newest === undefined) {
      const message = "A root has ended the key that signed all that was heard of this track.";
      this.#setState("untrusted", new CountersignError("manifest-key-revoked", message));
    } else this.#renew(newest.manifest);
    if (left === undefined) return;
    try {
      this.#accept(left);
    } catch (thrown) {
      this.#onRefused(left.source, toCountersignError(thrown, "internal"));
    }
  }

  /** Signed and authorised like one of ours, but of another stream: a later session, unless it is an old one played back. */
  #noticeSuccessor({ streamId, issuedAtMs, freshForMs }: Manifest): void {
    const { newest } = this;
    if (
      newest === undefined ||
      issuedAtMs <= newest.issuedAtMs ||
      issuedAtMs > this.#clock.now() + this.#skewMs
    )
      return;
    if (this.#freshness.deadline(issuedAtMs, freshForMs) <= this.#clock.now()) return;
    if (this.#successor !== undefined && equalBytes(this.#successor, streamId)) return;
    this.#successor = streamId;
    this.#events.emit("successor", { streamId });
  }

  #checkTime(manifest: Manifest): void {
    const now = this.#clock.now();
    if (manifest.issuedAtMs > now + this.#skewMs) {
      throw new CountersignError("manifest-fast-forward", "A manifest was issued in the future.", {
        hint: "Check the clock of this device.",
      });
    }
    if (this.#streamId !== undefined) return;
    if (this.#freshness.deadline(manifest.issuedAtMs, manifest.freshForMs) > now) return;
    const error = new CountersignError(
      "manifest-expired",
      "The only manifests to be had are of a stream whose signer is gone.",
      {
        hint: "Check that the signer is running, and the clock of this device.",
      },
    );
    if (this.#state === "waiting") this.#setState("stale", error);
    throw error;
  }

  #onRefused(source: string, error: CountersignError): void {
    const nothingYet =
      this.newest === undefined && (this.#state === "waiting" || this.#state === "untrusted");
    // Later on a peer with junk only hurts itself; before anything was accepted it is the best explanation there is.
    if (nothingYet && EXPLAINS_NOTHING_YET.has(error.code)) this.#setState("untrusted", error);
    this.#events.emit("refused", { source, error });
  }

  #setState(state: TrustState, error?: CountersignError): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.emit("state", error === undefined ? { state } : { state, error });
  }
}

/** Refusals that say why a track has nothing to show for itself. */
const EXPLAINS_NOTHING_YET: ReadonlySet<string> = new Set([
  "manifest-wrong-key",
  "manifest-bad-signature",
  "manifest-key-revoked",
]);

function isUnknownKey(proof: unknown): boolean {
  return proof instanceof CountersignError && proof.code === "manifest-wrong-key";
}

/** Who sent a payload that is no manifest is told by its signature, so the reason waits for that. */
function decodeOrReason(payload: Uint8Array): Manifest | CountersignError {
  try {
    return decodeManifest(payload);
  } catch (thrown) {
    return toCountersignError(thrown, "manifest-malformed");
  }
}

function wrongStream(what: string): CountersignError {
  return new CountersignError("manifest-wrong-stream", `A manifest does not belong here. ${what}`);
}

function equivocation(contradiction: Contradiction): CountersignError {
  return new CountersignError(
    "manifest-equivocation",
    `The signer has contradicted itself: ${contradiction.what}.`,
    {
      hint: "Do not trust this broadcast; the evidence can be exported.",
    },
  );
}
