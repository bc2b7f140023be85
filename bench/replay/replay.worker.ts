/** The worker of the replay benchmark: the store works in one, and files can be written nowhere else. */
import { expose } from "comlink";
import {
  type ArchiveMeasure,
  type EvictionMeasure,
  fillArchive,
  measureArchive,
  measureEviction,
} from "../../src/replay/measure-archive.ts";
import { LARGE_SHAPE, LIVE_SHAPE, measurePut, type PutMeasure } from "../../src/replay/measure-put.ts";

const api = {
  live: (rounds: number): Promise<PutMeasure> => measurePut(LIVE_SHAPE, rounds),
  large: (rounds: number): Promise<PutMeasure> => measurePut(LARGE_SHAPE, rounds),
  fill: (name: string, groups: number): Promise<number> => fillArchive(name, groups),
  archive: (name: string, groups: number, rounds: number, seeks: number): Promise<ArchiveMeasure> =>
    measureArchive(name, groups, rounds, seeks),
  evict: (name: string, groups: number, keepShare: number): Promise<EvictionMeasure> =>
    measureEviction(name, groups, keepShare),
};

export type ReplayWorker = typeof api;

expose(api);
