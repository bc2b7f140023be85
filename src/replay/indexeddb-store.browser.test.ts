import { deleteDB } from "idb";
import { describe, it } from "vitest";
import { contractLeafDigest, replayStoreContract } from "./group-source.contract.ts";
import { openReplayStore } from "./open-replay-store.ts";

let count = 0;
const name = (): string => `replay-contract-${count++}`;

describe("the IndexedDB store keeps the contract of a replay store", () => {
  for (const { name: title, run } of replayStoreContract({
    open: async () => {
      const databaseName = name();
      await deleteDB(databaseName);
      const { store, warning } = await openReplayStore({ leafDigest: contractLeafDigest, databaseName });
      if (warning !== undefined) throw warning;
      return store;
    },
    leafDigest: contractLeafDigest,
  }))
    it(title, run);
});
