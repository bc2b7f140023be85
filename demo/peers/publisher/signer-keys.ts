/** The keys of a signer: which one it signs with, and what roots say about it. They come from flags at first, and may change by a command while it runs. */

import type { KeyStatements } from "../../../src/trust/envelope.ts";
import { importSeed, type SigningKey } from "../../../src/trust/keys.ts";
import { onCommand } from "../cluster/child.ts";

export interface SignerKeys {
  readonly key: SigningKey;
  readonly statements: KeyStatements;
  /** When the key takes over, ms since 1970; the statements are sent at once. */
  readonly fromMs: number;
}

/** As it travels between processes and in flags: everything in hex. */
export interface SignerKeysInHex {
  readonly seed: string;
  readonly successions: readonly string[];
  readonly delegations: readonly string[];
  readonly revocations: readonly string[];
  readonly fromMs?: number;
}

function bytesOf(digits: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(digits, "hex"));
}

export async function readSignerKeys(hex: SignerKeysInHex): Promise<SignerKeys> {
  return {
    key: await importSeed(bytesOf(hex.seed)),
    fromMs: hex.fromMs ?? 0,
    statements: {
      succession: hex.successions.map(bytesOf),
      delegation: hex.delegations.map(bytesOf),
      revocation: hex.revocations.map(bytesOf),
    },
  };
}

/** Calls back when whoever started this process gives it other keys. */
export function onNewKeys(listener: (keys: SignerKeys) => void): void {
  onCommand((command) => {
    if (command.type === "keys") void readSignerKeys(command.keys).then(listener);
  });
}
