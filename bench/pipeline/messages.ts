/** What the parts of the pipeline benchmark tell each other: origin to harness, harness to page, page to worker. Plain JSON. */

/** How the origin is reached; it prints this as one line before it is ready. */
export interface OriginInfo {
  readonly objects: readonly string[];
  readonly manifests: string;
  readonly certificateHash: string;
  readonly rootKey: string;
  readonly groups: number;
  readonly objectsPerGroup: number;
  readonly broadcast: readonly string[];
}

/** From the worker to the page, on the port of the media: a group was consumed. A player's worker sends its segment, the raw reader nothing but the news. */
export type Consumed = ArrayBuffer | undefined;

/** How often the signer signs: for every object, as live; or once a group, as a publisher that does not mind a group of delay. */
export type Signing = "object" | "group";

export interface RunOptions {
  readonly origin: OriginInfo;
  /** Names the run at the origin: all sessions with the same id are served together. */
  readonly id: string;
  /** "raw" reads and discards; "player" is everything between WebTransport and hls.js. */
  readonly kind: "raw" | "player";
  readonly sources: 1 | 2;
  readonly store: boolean;
  readonly signing: Signing;
}

export interface Faults {
  /** Objects refused as junk: there is none. */
  readonly rejected: number;
  /** Stretches that the sequencer gave up. */
  readonly holes: number;
  /** Segments that had left the window before they were taken. */
  readonly missing: number;
  /** Objects that the store dropped. */
  readonly lost: number;
}

export const NO_FAULTS: Faults = { rejected: 0, holes: 0, missing: 0, lost: 0 };

/** What a run found. Group 0 is the warm-up and not counted. */
export interface RunResult {
  readonly seconds: number;
  /** Media bytes read (raw) or taken out as segments (player). */
  readonly bytes: number;
  readonly objects: number;
  readonly duplicates: number;
  /** Anything but a smooth run, by kind. */
  readonly faults: Faults;
  /** Bytes that the store holds at the end, and how much longer it took to hold them. */
  readonly storedBytes: number;
  readonly flushSeconds: number;
}
