/** Tells the page when a peer is lost and when it is back, with what nobody brought meanwhile. */
import type { CountersignError } from "../src/errors.ts";
import type { TimeRange, WorkerEvent } from "../src/rpc/protocol.ts";
import type { Resumed } from "../src/transport/reconnect.ts";

export type PeerKind = "objects" | "manifests";

export interface ReconnectNewsOptions {
  readonly emit: (event: WorkerEvent) => void;
  /** End of the last verified media; undefined before there were any. */
  readonly edgeMs: () => number | undefined;
  /** Sorted and disjoint. */
  readonly verified: () => readonly TimeRange[];
}

export class ReconnectNews {
  readonly #options: ReconnectNewsOptions;
  /** Where the edge was when each peer was lost. */
  readonly #lost = new Map<string, number | undefined>();

  constructor(options: ReconnectNewsOptions) {
    this.#options = options;
  }

  /** An open connection was lost. Told once; later dials that fail are no news. */
  lost(kind: PeerKind, url: string, error: CountersignError | undefined): void {
    const key = `${kind} ${url}`;
    if (this.#lost.has(key)) return;
    this.#lost.set(key, this.#options.edgeMs());
    this.#options.emit({ type: "reconnecting", kind, url, ...(error && { reason: error.toData() }) });
  }

  resumed(kind: PeerKind, url: string, { cause, awayMs, attempts }: Resumed): void {
    const key = `${kind} ${url}`;
    const edgeMs = this.#lost.get(key);
    this.#lost.delete(key);
    const missed = edgeMs === undefined ? [] : this.#missed({ startMs: edgeMs, endMs: edgeMs + awayMs });
    this.#options.emit({ type: "resumed", kind, url, cause, awayMs, attempts, missed });
  }

  /** Live media come as time passes, so as much of it went by as the peer was away. */
  #missed(range: TimeRange): TimeRange[] {
    const lacks = lacking(range, this.#options.verified());
    return lacks.filter(({ startMs, endMs }) => endMs < range.endMs || endMs - startMs > ON_ITS_WAY_MS);
  }
}

/** Media at the live edge that are not there yet may just be on their way: an object is cut when its time is over. */
export const ON_ITS_WAY_MS = 1_000;

/** The stretches of `range` that none of `have` covers. */
export function lacking(range: TimeRange, have: readonly TimeRange[]): TimeRange[] {
  const lacks: TimeRange[] = [];
  let at = range.startMs;
  for (const { startMs, endMs } of have) {
    if (endMs <= at) continue;
    if (startMs >= range.endMs) break;
    if (startMs > at) lacks.push({ startMs: at, endMs: startMs });
    at = endMs;
  }
  if (at < range.endMs) lacks.push({ startMs: at, endMs: range.endMs });
  return lacks;
}
