/** Track aliases (draft-18 §11.1): small numbers, chosen by the publisher, that data streams carry instead of the track's name. */
import { sessionErrors } from "../wire/codes.ts";
import type { VarInt } from "../wire/varint.ts";
import { MAX_RETIRED_ALIASES } from "./limits.ts";
import type { AliasRoute, StreamHandle } from "./types.ts";
import { violation } from "./violations.ts";

/** The aliases that the peer, as a publisher, gave to the tracks we receive. */
export class PeerAliases {
  readonly #live = new Map<
    VarInt,
    { readonly stream: StreamHandle; readonly trackKey: string; draining: boolean }
  >();
  /** Insertion order is age. */
  readonly #retired = new Set<VarInt>();

  /** Binds an alias. Throws DUPLICATE_TRACK_ALIAS when it names another track of a live subscription. */
  bind(alias: VarInt, stream: StreamHandle, trackKey: string): void {
    const holder = this.#live.get(alias);
    if (holder && !holder.draining && holder.trackKey !== trackKey) {
      throw violation(
        "§11.1",
        `Track Alias ${alias} is already in use for another track.`,
        sessionErrors["duplicate-track-alias"],
      );
    }
    this.#retired.delete(alias);
    this.#live.set(alias, { stream, trackKey, draining: false });
  }

  /** The subscription got its PUBLISH_DONE: late streams still go to it, but the publisher may use the alias anew. */
  drain(alias: VarInt, stream: StreamHandle): void {
    const holder = this.#live.get(alias);
    if (holder?.stream === stream) holder.draining = true;
  }

  /** The subscription is over; what still comes under its alias is dropped. */
  retire(alias: VarInt, stream: StreamHandle): void {
    if (this.#live.get(alias)?.stream !== stream) return;
    this.#live.delete(alias);
    this.#retired.add(alias);
    if (this.#retired.size > MAX_RETIRED_ALIASES) {
      for (const oldest of this.#retired) {
        this.#retired.delete(oldest);
        break;
      }
    }
  }

  route(alias: VarInt): AliasRoute {
    const holder = this.#live.get(alias);
    if (holder) return { kind: "subscription", stream: holder.stream };
    return this.#retired.has(alias) ? { kind: "discard" } : { kind: "unknown" };
  }
}
