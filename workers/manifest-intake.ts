/** From manifest peers to trust: objects of a manifest track are envelopes, whoever carries them. */
import type { Gate } from "../src/merge/gate.ts";
import type { FeedTarget } from "../src/merge/track-feed.ts";
import type { SourceId, SourceScore } from "../src/merge/types.ts";
import type { ObjectSink } from "../src/transport/connection.ts";
import type { TrackTrust } from "../src/trust/types.ts";
import type { MoqObject } from "../src/wire/objects.ts";

interface Counters {
  good: number;
  duplicate: number;
  junk: number;
  bytes: number;
}

/** Accepted envelopes remembered by location to tell a second copy from a first: 64 groups of 25. Trust recognizes bytes by itself; this is for the score only. */
const REMEMBERED_PLACES = 1600;

/** The target of one manifest track's feeds. */
export class ManifestIntake implements FeedTarget {
  readonly #trust: TrackTrust;
  readonly #counters = new Map<SourceId, Counters>();
  readonly #accepted = new Set<string>();
  readonly #gate: Gate | undefined;

  /** `gate` holds the manifest streams back; absent: they are read as they come. */
  constructor(trust: TrackTrust, gate?: Gate) {
    this.#trust = trust;
    this.#gate = gate;
  }

  sink(source: SourceId): ObjectSink {
    return {
      object: (object) => void this.#offer(source, object),
      ready: () => this.#gate?.ready(),
    };
  }

  addSource(source: SourceId): void {
    this.#of(source);
  }

  score(source: SourceId): Pick<SourceScore, "good" | "duplicate" | "junk" | "bytes"> {
    return this.#of(source);
  }

  async #offer(source: SourceId, object: MoqObject): Promise<void> {
    if (object.status !== "normal") return;
    const counters = this.#of(source);
    counters.bytes += object.payload.byteLength;
    const place = `${object.group}/${object.object}`;
    const { accepted } = await this.#trust.offer(source, object.payload);
    if (!accepted) counters.junk += 1;
    else if (this.#accepted.has(place)) counters.duplicate += 1;
    else {
      counters.good += 1;
      this.#accepted.add(place);
      if (this.#accepted.size > REMEMBERED_PLACES) {
        const [oldest] = this.#accepted;
        if (oldest !== undefined) this.#accepted.delete(oldest);
      }
    }
  }

  #of(source: SourceId): Counters {
    let counters = this.#counters.get(source);
    if (!counters) {
      counters = { good: 0, duplicate: 0, junk: 0, bytes: 0 };
      this.#counters.set(source, counters);
    }
    return counters;
  }
}
