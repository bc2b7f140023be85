/** The page of the replay benchmark: the store and its reference, in the browser's own database. */
import { LARGE_SHAPE, LIVE_SHAPE, measurePut, type PutMeasure } from "../../src/replay/measure-put.ts";

const bench = {
  live: (rounds: number): Promise<PutMeasure> => measurePut(LIVE_SHAPE, rounds),
  large: (rounds: number): Promise<PutMeasure> => measurePut(LARGE_SHAPE, rounds),
};

export type ReplayPage = typeof bench;

Object.assign(globalThis, { bench });
