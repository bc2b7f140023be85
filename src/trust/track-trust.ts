/**
 * The judge of one track: takes envelopes from manifest peers that nobody has to trust, and knows what the signer said.
 *
 * For a reader new to this: a relay can send any bytes under any name. The signer publishes, beside each media track, small signed statements ("group 7 has an
 * object 3 of 5,120 bytes with this digest"). They may come from several peers, twice, late, out of order, forged, or from yesterday. This class lets through
 * those that a trusted key signed for this track and this stream, and that fit together into one history; everything else in the player asks it what
 * must exist, and shows nothing that it does not know.
 *
 * The steps of one envelope, cheapest first: seen before? within the source's budget? well-formed? a key we know? a good signature? this track and stream? allowed to
 * sign it then? plausible time? fits the chain? fits the group? Only the signature is asynchronous; from there on nothing waits, so
 * the outcome does not depend on how checks of several envelopes interleave.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import type { Clock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import { Emitter } from "../events.ts";
import { type FullTrackName, trackKey } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { bytesKey, equalBytes, ownCopy } from "./bytes.ts";
import { type Contradiction, type Link, ManifestChain } from "./chain.ts";
import { type Envelope, MANIFEST_AAD, openEnvelope } from "./envelope.ts";
import { Freshness } from "./freshness.ts";
import { GroupTruths } from "./group-truths.ts";
import { JunkAccounts } from "./junk-account.ts";
import { type KeyRing, signerAmong } from "./key-ring.ts";
import { CLOCK_SKEW_MS, MAX_ENVELOPE_BYTES, MAX_PARKED, MAX_REMEMBERED_REFUSALS } from "./limits.ts";
import { decodeManifest } from "./manifest.ts";
import type {
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

/** What became of one envelope. */
export interface Judgement {
  readonly accepted: boolean;
  readonly error?: CountersignError;
}

const ACCEPTED: Judgement = { accepted: true };

/** Refusals that no later event can turn into an acceptance; they are remembered by digest. */
const FINAL: ReadonlySet<string> = new Set([
  "manifest-malformed",
  "manifest-bad-signature",
  "manifest-wrong-stream",
]);

interface Parked {
  readonly source: string;
  readonly envelope: Uint8Array;
}

export class SignedTrackTrust implements TrackTrust {
  readonly track: FullTrackName;
  readonly #trackKey: string;
  readonly #keyRing: KeyRing;
  readonly #clock: Clock;
  readonly #skewMs: number;
  readonly #events = new Emitter<TrackTrustEvents>();
  readonly #chain = new ManifestChain();
  readonly #truths = new GroupTruths();
  readonly #freshness: Freshness;
  readonly #junk: JunkAccounts;
  /** Entries this judge has handed out: only these can verify an object. */
  readonly #ownEntries = new WeakSet<SignedEntry>();
  /** By digest of the envelope's bytes. */
  readonly #acceptedBytes = new Map<string, VarInt>();
  /** By statement: the same thing said again in other unprotected headers costs no signature check. */
  readonly #acceptedStatements = new Map<string, Link>();
  readonly #refusedBytes = new Map<string, CountersignError>();
  readonly #judging = new Map<string, Promise<Judgement>>();
  readonly #parked = new Map<string, Parked>();
  readonly #stopListening: () => void;
  #streamId: Uint8Array | undefined;
  #successor: Uint8Array | undefined;
  #state: TrustState = "waiting";
  #contradiction: Contradiction | undefined;
  #closed = false;

  constructor(options: SignedTrackTrustOptions) {
    this.track = options.track;
    this.#trackKey = trackKey(options.track);
    this.#keyRing = options.keyRing;
    this.#clock = options.clock;
    this.#skewMs = options.clockSkewMs ?? CLOCK_SKEW_MS;
    this.#streamId = options.streamId;
    this.#junk = new JunkAccounts(options.clock);
    this.#freshness = new Freshness(options.clock, this.#skewMs, () => {
      this.#setState("stale", new CountersignError("manifest-expired", "The signer has gone silent."));
    });
    this.#stopListening = options.keyRing.on("delegation", () => this.#retryParked());
  }

  get state(): TrustState {
    return this.#state;
  }

  get latestGroup(): VarInt | undefined {
    return this.#truths.latest;
  }

  /** The stream all accepted manifests belong to; undefined until the first one when none was given. */
  get streamId(): Uint8Array | undefined {
    return this.#streamId;
  }

  /** The newest manifest: it names the catalog in force and says how long silence is normal. */
  get newest(): Manifest | undefined {
    return this.#chain.newest?.manifest;
  }

  /** In state "equivocation": the two envelopes that cannot both be true, as evidence for third parties. */
  get contradiction(): Contradiction | undefined {
    return this.#contradiction;
  }

  on<K extends keyof TrackTrustEvents>(type: K, listener: (event: TrackTrustEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  lookup(group: VarInt, object: VarInt): Lookup {
    // Once the signer has been caught with two truths, neither counts.
    return this.#contradiction === undefined ? this.#truths.lookup(group, object) : { state: "waiting" };
  }

  truth(group: VarInt): GroupTruth | undefined {
    return this.#contradiction === undefined ? this.#truths.truth(group) : undefined;
  }

  /**
   * @inheritdoc
   * Envelopes beyond the source's budgets are refused unread with "limit-exceeded": a caller with very many (a long FETCH) awaits as it goes. One
   * that is refused for an unknown key is kept for a while and taken in by itself if the key's delegation comes.
   */
  offer(source: string, envelope: Uint8Array): Promise<Judgement> {
    if (this.#closed)
      return Promise.resolve(refusal(new CountersignError("destroyed", "This track is closed.")));
    if (envelope.byteLength > MAX_ENVELOPE_BYTES) {
      this.#junk.charge(source);
      const message = `An envelope of ${envelope.byteLength} bytes is over the limit of ${MAX_ENVELOPE_BYTES}.`;
      return Promise.resolve(this.#refuse(source, new CountersignError("manifest-malformed", message)));
    }
    const done = this.#junk.open(source, envelope.byteLength);
    if (done === undefined) {
      const error = new CountersignError(
        "limit-exceeded",
        "This manifest peer sends more envelopes than can be judged.",
        { peer: source },
      );
      return Promise.resolve(this.#refuse(source, error));
    }
    return this.#settle(source, envelope).finally(done);
  }

  async verify(object: MoqObject, entry: SignedEntry): Promise<Verified<MoqObject> | undefined> {
    if (!this.#ownEntries.has(entry))
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

  /**
   * Accepted envelopes that together prove a group. `whole`: every object of the group will be there when it is checked, so the closing manifest, once
   * it came, is enough; otherwise all that name objects, in order.
   */
  evidence(group: VarInt, whole = true): readonly Uint8Array[] {
    const links = this.#truths.links(group);
    const closing = whole ? this.#truths.closing(group) : undefined;
    if (closing === undefined) return links.map((link) => link.envelope);
    // Whoever reads it later may know the roots only: the delegation has to come along.
    if (hasDelegation(closing)) return [closing.envelope];
    const delegating = links.find(hasDelegation);
    return delegating === undefined ? [closing.envelope] : [delegating.envelope, closing.envelope];
  }

  close(): void {
    this.#closed = true;
    this.#freshness.stop();
    this.#stopListening();
    this.#parked.clear();
    this.#events.clear();
  }

  async #settle(source: string, envelope: Uint8Array): Promise<Judgement> {
    const id = bytesKey(sha256(envelope));
    if (this.#acceptedBytes.has(id)) return ACCEPTED;
    const remembered = this.#refusedBytes.get(id);
    const judgement =
      remembered === undefined ? await this.#judgeOnce(source, id, envelope) : refusal(remembered);
    if (judgement.error === undefined || this.#closed) return judgement;
    // Parked envelopes may turn out good, and were cheap: no signature was checked.
    if (!this.#parked.has(id)) this.#junk.charge(source);
    return this.#refuse(source, judgement.error);
  }

  /** Two peers that send the same envelope at once share one check. */
  #judgeOnce(source: string, id: string, envelope: Uint8Array): Promise<Judgement> {
    let running = this.#judging.get(id);
    if (running === undefined) {
      running = this.#judge(source, id, ownCopy(envelope)).finally(() => this.#judging.delete(id));
      this.#judging.set(id, running);
    }
    return running;
  }

  async #judge(source: string, id: string, bytes: Uint8Array): Promise<Judgement> {
    try {
      const envelope = openEnvelope(bytes, MANIFEST_AAD);
      const known = this.#acceptedStatements.get(bytesKey(envelope.statement));
      if (known !== undefined && equalBytes(known.signature, envelope.signature)) return ACCEPTED;
      await this.#admitDelegations(source, envelope.delegations);
      const keys = this.#keyRing.candidates(envelope.kid);
      if (keys.length === 0) this.#park(source, id, bytes);
      const key = await signerAmong(envelope, keys, "A manifest");
      const manifest = decodeManifest(envelope.payload);
      if (trackKey(manifest.track) !== this.#trackKey) throw wrongStream("It is of another track.");
      const unauthorised = this.#keyRing.authorise(key, manifest.track, manifest.issuedAtMs);
      if (unauthorised !== undefined) throw unauthorised;
      this.#accept(id, bytes, envelope, manifest);
      return ACCEPTED;
    } catch (thrown) {
      const error = toCountersignError(thrown, "internal");
      if (FINAL.has(error.code)) this.#rememberRefusal(id, error);
      return refusal(error);
    }
  }

  /** Unprotected, so a bad one says nothing against the manifest it came with; but it costs a signature check. */
  async #admitDelegations(source: string, delegations: readonly Uint8Array[]): Promise<void> {
    for (const delegation of delegations) {
      try {
        await this.#keyRing.admit(delegation);
      } catch {
        this.#junk.charge(source);
      }
    }
  }

  /** Everything after the signature: synchronous. Throws the refusal. */
  #accept(id: string, bytes: Uint8Array, envelope: Envelope, manifest: Manifest): void {
    if (this.#closed) throw new CountersignError("destroyed", "This track is closed.");
    if (this.#streamId !== undefined && !equalBytes(manifest.streamId, this.#streamId)) {
      this.#noticeSuccessor(manifest);
      throw wrongStream("It belongs to another stream of the same name, perhaps an earlier session.");
    }
    if (this.#contradiction !== undefined) throw equivocation(this.#contradiction);
    this.#checkTime(manifest);
    const link: Link = {
      manifest,
      statement: envelope.statement,
      signature: envelope.signature,
      envelope: bytes,
    };
    const place = this.#chain.judge(link);
    if (place.kind === "refused") throw place.error;
    if (place.kind === "contradiction") this.#equivocate(place.contradiction);
    if (place.kind === "new") this.#applyTruth(link);
    this.#acceptedBytes.set(id, manifest.group);
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

  #applyTruth(link: Link): void {
    const { manifest } = link;
    const verdict = this.#truths.judge(link);
    if (verdict.kind === "contradiction") this.#equivocate(verdict.contradiction);
    if (verdict.kind === "too-many-objects") {
      throw new CountersignError("limit-exceeded", `Group ${manifest.group} would have too many objects.`);
    }
    this.#streamId ??= manifest.streamId;
    this.#chain.add(link);
    this.#acceptedStatements.set(bytesKey(link.statement), link);
    const forgotten = this.#truths.apply(link);
    for (const group of forgotten) this.#forget(group);
    for (const entry of manifest.entries) this.#ownEntries.add(entry);
    // Only the newest manifest says anything about now; history does not make a stale track fresh.
    if (this.#chain.newest === link) {
      const fresh = this.#freshness.renew(manifest.issuedAtMs, manifest.freshForMs);
      if (fresh) this.#setState("verified");
      else
        this.#setState("stale", new CountersignError("manifest-expired", "The newest manifest is too old."));
    }
    const truth = this.#truths.truth(manifest.group);
    if (truth !== undefined) this.#events.emit("truth", truth);
  }

  #forget(group: VarInt): void {
    for (const [statement, link] of this.#acceptedStatements) {
      if (link.manifest.group === group) this.#acceptedStatements.delete(statement);
    }
    this.#chain.forgetGroup(group);
    for (const [id, of] of this.#acceptedBytes) if (of === group) this.#acceptedBytes.delete(id);
  }

  #equivocate(contradiction: Contradiction): never {
    this.#contradiction = contradiction;
    this.#freshness.stop();
    const error = equivocation(contradiction);
    this.#setState("equivocation", error);
    throw error;
  }

  #park(source: string, id: string, envelope: Uint8Array): void {
    this.#parked.delete(id);
    this.#parked.set(id, { source, envelope });
    if (this.#parked.size > MAX_PARKED) this.#parked.delete(this.#parked.keys().next().value!);
  }

  #retryParked(): void {
    const waiting = [...this.#parked];
    this.#parked.clear();
    for (const [id, { source, envelope }] of waiting) {
      if (!this.#judging.has(id)) void this.#settle(source, envelope);
      else this.#parked.set(id, { source, envelope });
    }
  }

  #rememberRefusal(id: string, error: CountersignError): void {
    this.#refusedBytes.set(id, error);
    if (this.#refusedBytes.size > MAX_REMEMBERED_REFUSALS)
      this.#refusedBytes.delete(this.#refusedBytes.keys().next().value!);
  }

  #refuse(source: string, error: CountersignError): Judgement {
    const nothingYet =
      this.#chain.newest === undefined && (this.#state === "waiting" || this.#state === "untrusted");
    // Later on a peer with junk only hurts itself; before anything was accepted it is the best explanation there is.
    if (nothingYet && (error.code === "manifest-wrong-key" || error.code === "manifest-bad-signature")) {
      this.#setState("untrusted", error);
    }
    this.#events.emit("refused", { source, error });
    return refusal(error);
  }

  #setState(state: TrustState, error?: CountersignError): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.emit("state", error === undefined ? { state } : { state, error });
  }
}

function refusal(error: CountersignError): Judgement {
  return { accepted: false, error };
}

function wrongStream(what: string): CountersignError {
  return new CountersignError("manifest-wrong-stream", `A manifest does not belong here. ${what}`);
}

function equivocation(contradiction: Contradiction): CountersignError {
  return new CountersignError(
    "manifest-equivocation",
    `The signer has contradicted itself: ${contradiction.what}.`,
    {
      hint: "Do not trust this broadcast; the two envelopes are kept as evidence.",
    },
  );
}

/** Envelopes that are kept were opened before. */
function hasDelegation(link: Link): boolean {
  return openEnvelope(link.envelope, MANIFEST_AAD).delegations.length > 0;
}
