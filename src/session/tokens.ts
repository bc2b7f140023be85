/**
 * Authorization tokens as the receiver keeps them (draft-18 §10.2.2).
 *
 * A sender may register a token under an alias and then use the alias; the receiver has to remember it, within the cache size it
 * announced in SETUP. What leaves this file has no aliases any more.
 */
import { sessionErrors } from "../wire/codes.ts";
import type { AuthToken } from "../wire/messages.ts";
import type { VarInt } from "../wire/varint.ts";
import { violation } from "./violations.ts";

/** What each registered token counts beside its value (§10.3.1.3). */
const TOKEN_OVERHEAD_BYTES = 16;

interface Registered {
  readonly tokenType: VarInt;
  readonly value: Uint8Array;
}

/** A token by value, as the application checks it. */
export type ResolvedToken = Extract<AuthToken, { alias: "use-value" }>;

export class TokenCache {
  readonly #maxBytes: number;
  readonly #tokens = new Map<VarInt, Registered>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Applies the tokens of one message, in order, and returns those that authorize it. Throws what closes the session. */
  resolve(tokens: readonly AuthToken[]): ResolvedToken[] {
    const resolved: ResolvedToken[] = [];
    for (const token of tokens) {
      const value = this.#apply(token);
      if (value) resolved.push(value);
    }
    rejectRepeats(resolved);
    return resolved;
  }

  /** As resolve(), for SETUP: a registration that does not fit counts as a plain value, since the peer could not know our limit (§10.3.1.4). */
  resolveSetup(tokens: readonly AuthToken[], weAreServer: boolean): ResolvedToken[] {
    const resolved: ResolvedToken[] = [];
    for (const token of tokens) {
      if (weAreServer && (token.alias === "delete" || token.alias === "use-alias")) {
        throw violation("§10.2.2", `A client may not ${token.alias} a token in SETUP.`);
      }
      const fits = token.alias !== "register" || this.#fits(token.value.byteLength);
      const value = fits ? this.#apply(token) : useValue(token.tokenType, token.value);
      if (value) resolved.push(value);
    }
    rejectRepeats(resolved);
    return resolved;
  }

  #fits(valueBytes: number): boolean {
    return this.#bytes + valueBytes + TOKEN_OVERHEAD_BYTES <= this.#maxBytes;
  }

  #apply(token: AuthToken): ResolvedToken | undefined {
    switch (token.alias) {
      case "use-value":
        return token;
      case "use-alias": {
        const { tokenType, value } = this.#known(token.tokenAlias);
        return useValue(tokenType, value);
      }
      case "delete": {
        this.#bytes -= this.#known(token.tokenAlias).value.byteLength + TOKEN_OVERHEAD_BYTES;
        this.#tokens.delete(token.tokenAlias);
        return undefined;
      }
      case "register": {
        if (this.#tokens.has(token.tokenAlias)) {
          throw violation(
            "§10.2.2",
            `Token Alias ${token.tokenAlias} is registered already.`,
            sessionErrors["duplicate-auth-token-alias"],
          );
        }
        if (!this.#fits(token.value.byteLength)) {
          throw violation(
            "§10.3.1.3",
            `Registering a token of ${token.value.byteLength} bytes exceeds the cache of ${this.#maxBytes} bytes.`,
            sessionErrors["auth-token-cache-overflow"],
          );
        }
        // Copied: the decoder's view would keep the whole chunk it lies in alive for as long as the session.
        this.#tokens.set(token.tokenAlias, { tokenType: token.tokenType, value: token.value.slice() });
        this.#bytes += token.value.byteLength + TOKEN_OVERHEAD_BYTES;
        return useValue(token.tokenType, token.value);
      }
    }
  }

  /** The draft has the message "rejected with UNKNOWN_AUTH_TOKEN_ALIAS", a code that exists for sessions only; so the session ends with it. */
  #known(alias: VarInt): Registered {
    const registered = this.#tokens.get(alias);
    if (!registered) {
      throw violation(
        "§10.2.2",
        `Token Alias ${alias} is not registered.`,
        sessionErrors["unknown-auth-token-alias"],
      );
    }
    return registered;
  }
}

function useValue(tokenType: VarInt, value: Uint8Array): ResolvedToken {
  return { alias: "use-value", tokenType, value };
}

function rejectRepeats(tokens: readonly ResolvedToken[]): void {
  for (let i = 1; i < tokens.length; i++) {
    for (let j = 0; j < i; j++) {
      const a = tokens[i]!;
      const b = tokens[j]!;
      if (a.tokenType !== b.tokenType || a.value.byteLength !== b.value.byteLength) continue;
      if (a.value.every((byte, at) => byte === b.value[at])) {
        throw violation("§10.2.2", "A message carries the same authorization token twice.");
      }
    }
  }
}
