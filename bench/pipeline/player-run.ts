/**
 * Everything that the worker of a player does, as it ships: decode, manifests, verify, merge, store, sequencer, window; and at the end, in hls.js's place,
 * somebody who takes each segment as soon as the playlist has it, in a buffer that is transferred to the page.
 */
import { deleteDB } from "idb";
import { systemClock } from "../../src/clock.ts";
import { openReplayStore } from "../../src/replay/open-replay-store.ts";
import type { ReplayStore } from "../../src/replay/types.ts";
import type { OpenOptions } from "../../src/rpc/protocol.ts";
import { browserDial } from "../../src/transport/browser-dial.ts";
import { supportedVersions } from "../../src/wire/registry.ts";
import { BroadcastClient } from "../../workers/broadcast-client.ts";
import type { RunOptions, RunResult } from "./messages.ts";

/** Media sequence number of group 0 (playback/track-window.ts). */
const SEQUENCE_OF_GROUP_0 = 1;

export class PlayerRun {
  readonly #options: RunOptions;
  readonly #client: BroadcastClient;
  readonly #page: MessagePort;
  #store: ReplayStore | undefined;
  #databaseName: string;
  #request = 0;
  #lost = 0;
  #missing = 0;
  #bytes = 0;
  #seconds = 0;
  #duplicatesBefore = 0;

  /** `page` is where segments go. */
  constructor(options: RunOptions, page: MessagePort) {
    this.#options = options;
    this.#page = page;
    // A database of its own: what an earlier run stored would not be stored again.
    this.#databaseName = `bench-${options.id}`;
    this.#client = new BroadcastClient({
      dial: browserDial,
      clock: systemClock,
      openStore: async (store) => {
        const opened = await openReplayStore({ ...store, databaseName: this.#databaseName });
        if (opened.warning) throw opened.warning;
        this.#store = opened.store;
        opened.store.on("lost", ({ objects }) => {
          this.#lost += objects.length;
        });
        return opened;
      },
    });
  }

  async prepare(
    addresses: { readonly objects: readonly string[]; readonly manifests: string },
    events: MessagePort,
  ): Promise<void> {
    const { origin, store } = this.#options;
    const peer = (url: string) => ({ url, certificateHashes: [origin.certificateHash] });
    const options: OpenOptions = {
      broadcast: origin.broadcast,
      objects: addresses.objects.map(peer),
      manifests: [peer(addresses.manifests)],
      roots: [Uint8Array.from(origin.rootKey.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))],
      targetLatencyMs: 400,
      resume: "live",
      replay: { enabled: store, maxAgeMs: 72 * 3_600_000, maxBytes: undefined },
      versions: supportedVersions,
    };
    await this.#client.open(options, events);
    await this.#listed(0);
    this.#duplicatesBefore = (await this.#client.stats()).objects.duplicate;
  }

  async run(): Promise<void> {
    const { origin } = this.#options;
    const start = performance.now();
    this.#page.postMessage(undefined);
    for (let group = 1; group < origin.groups; group++) {
      await this.#listed(group);
      await this.#take(group);
    }
    this.#seconds = (performance.now() - start) / 1000;
  }

  async finish(): Promise<RunResult> {
    const start = performance.now();
    await this.#store?.flush();
    const flushSeconds = (performance.now() - start) / 1000;
    const stored = await this.#store?.estimate();
    const { objects } = await this.#client.stats();
    await this.#client.close();
    if (this.#store) await deleteDB(this.#databaseName);
    const { origin } = this.#options;
    return {
      seconds: this.#seconds,
      bytes: this.#bytes,
      objects: objects.delivered - origin.objectsPerGroup,
      duplicates: objects.duplicate - this.#duplicatesBefore,
      faults: { rejected: objects.rejected, holes: objects.holes, missing: this.#missing, lost: this.#lost },
      storedBytes: stored?.bytes ?? 0,
      flushSeconds,
    };
  }

  /** Resolves when the whole segment of this group is in the playlist. */
  async #listed(group: number): Promise<void> {
    const id = this.#request++;
    await this.#client.resource({ id, path: `video/live.m3u8?_HLS_msn=${group + SEQUENCE_OF_GROUP_0}` });
  }

  async #take(group: number): Promise<void> {
    try {
      const segment = await this.#client.resource({ id: this.#request++, path: `video/${group}.m4s` });
      if (segment.kind !== "media") throw new Error("a segment is not a list");
      this.#bytes += segment.data.byteLength;
      this.#page.postMessage(segment.data, [segment.data]);
    } catch {
      // Given up by the sequencer, or gone before it was taken: counted, and shown with the result.
      this.#missing++;
      this.#page.postMessage(undefined);
    }
  }
}
