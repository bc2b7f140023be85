/** What the worker may ask the app: keys and tokens. */
import type { PageApi } from "../rpc/protocol.ts";
import { pageApiOf } from "./key-options.ts";
import type { PlayerOptions } from "./player-options.ts";

/** Undefined where the app gave nothing to ask. */
export function pageApi({
  encryption,
  authorization,
}: Pick<PlayerOptions, "encryption" | "authorization">): PageApi | undefined {
  const asks = typeof authorization === "function";
  if (!encryption && !asks) return undefined;
  const keys: PageApi = encryption ? pageApiOf(encryption) : { key: async () => undefined };
  return asks ? { ...keys, token: async (need) => authorization(need) } : keys;
}
