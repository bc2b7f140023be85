/**
 * countersign/testing: what tests of an app (and our own) build on. Time that tests decide, and two ends of a
 * WebTransport session in memory with faults on the way, so that a test needs neither network nor browser. And what a source of groups promises, as cases to run on one of your own.
 */
export type { ContractCase, SourceSubject } from "../replay/group-source.contract.ts";
export { contractGroups, groupSourceContract } from "../replay/group-source.contract.ts";
export { FakeClock, settle } from "./fake-clock.ts";
export type {
  Chunking,
  Faults,
  MemoryTransport,
  MemoryTransportOptions,
  StreamFault,
} from "./memory-transport.ts";
export { memoryDial, memoryTransport, SessionLost } from "./memory-transport.ts";
export { seededRandom } from "./random.ts";
