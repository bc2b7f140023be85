/**
 * Groups that relays still have, asked for one at a time: manifest peers say what a group must be, object relays give it, and only what is proven comes out.
 *
 * A relay that does not answer, or answers with junk, is passed over; what one lacks the next may have. Only when everybody answered and nobody has it is a group
 * "certainly not there"; as long as somebody could not be asked it is an error.
 */
import type { Clock } from "../clock.ts";
import { CountersignError, toCountersignError } from "../errors.ts";
import { judgeGroup, readGroupEvidence } from "../trust/archive.ts";
import type { KeyRing } from "../trust/key-ring.ts";
import type { GroupTruth, Verified } from "../trust/types.ts";
import type { FullTrackName, Location } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { compareVarInt, type VarInt } from "../wire/varint.ts";
import { FetchFloor } from "./fetch-floor.ts";
import { addInPlace, subtract } from "./group-ranges.ts";
import type { GroupRange, GroupSource, StoredGroup, TrackKey } from "./types.ts";

/** An answer that brings nothing for this long is given up; another relay is asked. */
export const FETCH_STALL_MS = 5_000;

/** Most that one group may bring, per relay asked: 10 s groups at 25 Mb/s. Past it the relay's answer is cut off, and what it brought so far judged. */
export const MAX_FETCHED_GROUP_BYTES = 32 * 1024 * 1024;

/** Objects of one group, empty ones too: above what a manifest names of a group in practice (25 a second). Past it as above. */
export const MAX_FETCHED_GROUP_OBJECTS = 16_384;

/** Behind everything live (§7 of draft-18: the lowest priority). Somebody who waits for a seek asks with FETCH_SOON. */
export const FETCH_LATER = 255;
export const FETCH_SOON = 32;

/** How long "nobody has it" is remembered. Relays that come later may have more. */
const MISSING_FOR_MS = 300_000;

/** REQUEST_ERROR INVALID_RANGE (draft-18 §14.8.2): the answer of a relay that has nothing of a range. */
const INVALID_RANGE = 0x11;

/** The part of transport's ObjectSink that is used. */
export interface GroupSink {
  accept(start: { readonly payloadLength: number }): boolean;
  object(object: MoqObject): void;
}

/** The part of transport's FetchOptions that is used. */
export interface GroupRequest {
  readonly track: FullTrackName;
  readonly start: Location;
  readonly end: { readonly group: VarInt; readonly object?: VarInt };
  readonly priority: number;
  readonly signal: AbortSignal;
}

/** A peer that can be asked; the composition root has them from its pools. */
export interface FetchPeer {
  readonly source: string;
  /** It shall cost nothing: what it has is asked only where nobody else has it. */
  readonly standsBy?: boolean;
  readonly connection: { fetch(request: GroupRequest, sink: GroupSink): Promise<unknown> };
}

/** What a stored track is called where it comes from. */
export interface FetchTrack {
  readonly media: FullTrackName;
  readonly manifests: FullTrackName;
  readonly streamId: Uint8Array;
}

export interface FetchSourceOptions {
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  /** Undefined: not a track that relays know. */
  track(key: TrackKey): FetchTrack | undefined;
  /** Connected object relays, best first. */
  relays(): readonly FetchPeer[];
  manifestPeers(): readonly FetchPeer[];
  /** The newest group of the track that is known to exist. */
  newest(key: TrackKey): VarInt | undefined;
  /** A relay sent what contradicts a signature. */
  onLie?(source: string): void;
  readonly stallMs?: number;
}

/** What was asked and heard while one group was looked for. */
interface Search {
  readonly names: FetchTrack;
  readonly group: VarInt;
  readonly priority: number;
  readonly signal: AbortSignal | undefined;
  /** Why somebody could not be asked: then "not there" is not certain. */
  failure: CountersignError | undefined;
}

/** What the signer said of a group, and the envelopes that say it. */
interface Proof {
  readonly envelopes: readonly Uint8Array[];
  readonly truth: GroupTruth;
  /** `truth` is what the last envelope says; the others have not been read. */
  readonly onlyClosing: boolean;
}

export class FetchSource implements GroupSource {
  readonly #options: FetchSourceOptions;
  readonly #floor: FetchFloor;
  readonly #missing = new Map<TrackKey, { sinceMs: number; readonly groups: GroupRange[] }>();

  constructor(options: FetchSourceOptions) {
    this.#options = options;
    this.#floor = new FetchFloor(options.clock);
  }

  /** From the oldest group that somebody says to have to the newest, without those that nobody had when they were asked for. */
  async ranges(track: TrackKey, signal?: AbortSignal): Promise<readonly GroupRange[]> {
    const oldest = await this.oldest(track, signal);
    const newest = this.#options.newest(track);
    if (oldest === undefined || newest === undefined || newest < oldest) return [];
    return subtract([{ first: oldest, last: newest }], this.missing(track));
  }

  async oldest(track: TrackKey, signal?: AbortSignal): Promise<VarInt | undefined> {
    signal?.throwIfAborted();
    const names = this.#options.track(track);
    const newest = this.#options.newest(track);
    if (names === undefined || newest === undefined) return undefined;
    const { relays, manifestPeers } = this.#peers();
    return this.#floor.of(track, newest, signal, async (group) => {
      const has = (peers: readonly FetchPeer[], name: FullTrackName): Promise<boolean> =>
        this.#anyHas(peers, name, group, signal);
      return (await has(manifestPeers, names.manifests)) && (await has(relays, names.media));
    });
  }

  group(track: TrackKey, group: VarInt, signal?: AbortSignal): Promise<StoredGroup | undefined> {
    return this.read(track, group, { ...(signal && { signal }) });
  }

  /** As group(), ahead of or behind live media by `priority` (FETCH_SOON, the default, or FETCH_LATER). */
  async read(
    track: TrackKey,
    group: VarInt,
    options: { readonly signal?: AbortSignal; readonly priority?: number } = {},
  ): Promise<(StoredGroup & { readonly objects: readonly Verified<MoqObject>[] }) | undefined> {
    const { signal, priority = FETCH_SOON } = options;
    signal?.throwIfAborted();
    const names = this.#options.track(track);
    if (names === undefined) return undefined;
    const search: Search = { names, group, priority, signal, failure: undefined };
    const proof = await this.#proof(search);
    const found = proof && (await this.#collect(search, proof));
    signal?.throwIfAborted();
    if (found !== undefined) return found;
    if (search.failure !== undefined) throw search.failure;
    this.#noteMissing(track, group);
    return undefined;
  }

  /** Groups that nobody had when they were asked for lately. */
  missing(track: TrackKey): readonly GroupRange[] {
    const noted = this.#missing.get(track);
    if (noted !== undefined && this.#options.clock.now() - noted.sinceMs > MISSING_FOR_MS)
      this.#missing.delete(track);
    return this.#missing.get(track)?.groups ?? [];
  }

  /** Whom to ask. Throws when there is nobody, since then nothing can be said. */
  #peers(): { readonly relays: readonly FetchPeer[]; readonly manifestPeers: readonly FetchPeer[] } {
    const relays = this.#options.relays();
    const manifestPeers = this.#options.manifestPeers();
    if (relays.length > 0 && manifestPeers.length > 0) return { relays, manifestPeers };
    const what = relays.length === 0 ? "object relay" : "manifest peer";
    throw new CountersignError(
      relays.length === 0 ? "no-object-relay" : "no-manifest-peer",
      `No ${what} is connected, so older media cannot be fetched.`,
      { hint: "What is stored can be played; the rest when the network is back." },
    );
  }

  /** What the signer said of the group, from the first manifest peer that can prove it. */
  async #proof(search: Search): Promise<Proof | undefined> {
    const { names } = search;
    let best: Proof | undefined;
    for (const peer of this.#peers().manifestPeers) {
      const objects = await this.#ask(peer, names.manifests, search);
      const envelopes = objects.map(({ payload }) => payload);
      if (envelopes.length === 0) continue;
      try {
        const proof = await this.#read(search, envelopes);
        if (proof.truth.completion !== undefined) return proof;
        best ??= proof;
      } catch (thrown) {
        search.failure ??= toCountersignError(thrown, "manifest-malformed", { peer: peer.source });
      }
    }
    return best;
  }

  /** The closing envelope alone is enough for a group that is whole, and costs one signature check instead of one per object. */
  async #read({ names, group }: Search, envelopes: readonly Uint8Array[]): Promise<Proof> {
    const options = { track: names.media, keyRing: this.#options.keyRing, streamId: names.streamId };
    const closing = envelopes.slice(-1);
    const { truth } = await readGroupEvidence(group, closing, options);
    if (envelopes.length === 1) return { envelopes, truth, onlyClosing: false };
    if (truth.completion !== undefined) return { envelopes, truth, onlyClosing: true };
    return {
      envelopes,
      truth: (await readGroupEvidence(group, envelopes, options)).truth,
      onlyClosing: false,
    };
  }

  async #collect(search: Search, proof: Proof) {
    const { group } = search;
    const have = new Map<VarInt, Verified<MoqObject>>();
    let { truth } = proof;
    let onlyClosing = proof.onlyClosing;
    for (const peer of this.#peers().relays) {
      const brought = await this.#ask(peer, search.names.media, search);
      if (brought.length === 0) continue;
      const merged = new Map<VarInt, MoqObject>(brought.map((object) => [object.object, object]));
      for (const [id, object] of have) merged.set(id, object);
      const objects = [...merged.values()].sort((a, b) => compareVarInt(a.object, b.object));
      let verdict = await judgeGroup(objects, truth);
      if (!verdict.complete && onlyClosing) {
        // The root cannot say which object is wrong or lacking; the other manifests can.
        onlyClosing = false;
        truth = await this.#whole(search, proof);
        verdict = await judgeGroup(objects, truth);
      }
      for (const object of verdict.objects) have.set(object.object, object);
      const signed = new Set(truth.entries.map(({ object }) => object));
      if (verdict.failed.some((id) => signed.has(id) && !have.has(id))) this.#options.onLie?.(peer.source);
      if (verdict.complete) {
        // Of a whole group the closing manifest says everything.
        return { group, complete: true, evidence: proof.envelopes.slice(-1), objects: verdict.objects };
      }
    }
    if (have.size === 0) return undefined;
    const objects = [...have.values()].sort((a, b) => compareVarInt(a.object, b.object));
    return { group, complete: false, evidence: proof.envelopes, objects };
  }

  async #whole(search: Search, { envelopes, truth }: Proof): Promise<GroupTruth> {
    const { names, group } = search;
    const options = { track: names.media, keyRing: this.#options.keyRing, streamId: names.streamId };
    try {
      return (await readGroupEvidence(group, envelopes, options)).truth;
    } catch (thrown) {
      search.failure ??= toCountersignError(thrown, "manifest-malformed");
      return truth;
    }
  }

  /** One group of one track from one peer, in order of object id. What went wrong is noted in the search; what came before counts. */
  async #ask(peer: FetchPeer, track: FullTrackName, search: Search): Promise<readonly MoqObject[]> {
    const { group, priority, signal } = search;
    signal?.throwIfAborted();
    const objects = new Map<VarInt, MoqObject>();
    let bytes = 0;
    try {
      await this.#request(peer, { track, start: { group, object: 0 }, end: { group }, priority }, signal, {
        accept: ({ payloadLength }) => bytes + payloadLength <= MAX_FETCHED_GROUP_BYTES,
        object: (object) => {
          bytes += object.payload.byteLength;
          const wanted = object.group === group && object.status === "normal";
          if (wanted && objects.size < MAX_FETCHED_GROUP_OBJECTS && !objects.has(object.object))
            objects.set(object.object, object);
        },
      });
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = toCountersignError(thrown, "request-rejected", { peer: peer.source });
      if (error.protocolCode !== INVALID_RANGE) search.failure ??= error;
    }
    return [...objects.values()].sort((a, b) => compareVarInt(a.object, b.object));
  }

  /** A request that ends by itself when it stalls. */
  async #request(
    peer: FetchPeer,
    request: Omit<GroupRequest, "signal">,
    signal: AbortSignal | undefined,
    sink: GroupSink,
  ): Promise<void> {
    const stall = new AbortController();
    const { clock, stallMs = FETCH_STALL_MS } = this.#options;
    let cancel: () => void = () => undefined;
    let fail: (error: CountersignError) => void = () => undefined;
    const stalled = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    const wind = (): void => {
      cancel();
      cancel = clock.setTimer(stallMs, () => {
        const error = new CountersignError("request-timeout", "A relay does not go on answering.", {
          peer: peer.source,
        });
        fail(error);
        stall.abort(error);
      });
    };
    wind();
    try {
      const signals = signal === undefined ? [stall.signal] : [stall.signal, signal];
      const fetched = peer.connection.fetch(
        { ...request, signal: AbortSignal.any(signals) },
        {
          accept: (start) => sink.accept(start),
          object: (object) => {
            wind();
            sink.object(object);
          },
        },
      );
      await Promise.race([fetched, stalled]);
    } finally {
      cancel();
    }
  }

  /**
   * Whether any of these peers has an object at the beginning of the group; those that stand by are asked last, since the answer is an object. Throws when none has and somebody could not be asked.
   */
  async #anyHas(
    peers: readonly FetchPeer[],
    track: FullTrackName,
    group: VarInt,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const start = { group, object: 0 };
    let failure: unknown;
    const has = async (peer: FetchPeer): Promise<boolean> => {
      let brought = false;
      const request = { track, start, end: start, priority: FETCH_SOON };
      const sink = {
        accept: ({ payloadLength }: { readonly payloadLength: number }) =>
          payloadLength <= MAX_FETCHED_GROUP_BYTES,
        object: (object: MoqObject) => {
          brought ||= object.group === group;
        },
      };
      try {
        await this.#request(peer, request, signal, sink);
      } catch (thrown) {
        if (!(thrown instanceof CountersignError && thrown.protocolCode === INVALID_RANGE))
          failure ??= thrown;
      }
      return brought;
    };
    for (const standsBy of [false, true]) {
      const asked = peers.filter((peer) => (peer.standsBy ?? false) === standsBy);
      const found = (await Promise.all(asked.map(has))).some(Boolean);
      signal?.throwIfAborted();
      if (found) return true;
    }
    if (failure !== undefined) throw toCountersignError(failure, "request-rejected");
    return false;
  }

  #noteMissing(track: TrackKey, group: VarInt): void {
    const newest = this.#options.newest(track);
    // The newest is not missing, it is on its way.
    if (newest !== undefined && group >= newest) return;
    let noted = this.#missing.get(track);
    if (noted === undefined) {
      noted = { sinceMs: this.#options.clock.now(), groups: [] };
      this.#missing.set(track, noted);
    }
    addInPlace(noted.groups, group);
  }
}
