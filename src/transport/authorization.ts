/**
 * Authorization tokens that the application gives when they are needed (draft-18 §10.2.2, §13.3).
 *
 * Tokens are sent by value: registering aliases saves bytes of which a player sends few, and costs rules about when an alias may be used or deleted.
 */
import { type Clock, systemClock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import { requestErrors } from "../wire/codes.ts";
import type { AuthToken, Parameters, RequestMessage } from "../wire/messages.ts";
import type { Namespace } from "../wire/names.ts";
import type { Subscription } from "./connection.ts";

/** What a token is wanted for. */
export interface TokenNeed {
  /** The session's address. */
  readonly url: string;
  readonly purpose: "session" | RequestMessage["type"];
  /** Absent for a session. */
  readonly namespace?: Namespace;
  /** For tracks. */
  readonly name?: Uint8Array;
  /** The peer refused the tokens that were given before, or a subscription is about to expire: only new ones can help. */
  readonly refresh: boolean;
}

/** Gives the tokens for one need; an empty list for none. A rejection fails what they were wanted for with "unauthorized". */
export type TokenProvider = (need: TokenNeed) => Promise<readonly AuthToken[]> | readonly AuthToken[];

/** Refusals that other tokens may mend. */
const MENDABLE: ReadonlySet<number> = new Set([
  requestErrors.unauthorized,
  requestErrors["malformed-auth-token"],
  requestErrors["expired-auth-token"],
]);

/** How much of its time a subscription lives before it is extended: the rest is for the provider and a round trip. */
const EXTEND_AT = 0.75;

/** The tokens of a provider. Rejects with "unauthorized". */
export async function tokensFor(provider: TokenProvider, need: TokenNeed): Promise<readonly AuthToken[]> {
  try {
    return await provider(need);
  } catch (thrown) {
    throw new CountersignError("unauthorized", `No token could be had for ${need.purpose}.`, {
      peer: need.url,
      cause: thrown,
      hint: "The token provider of the application failed.",
    });
  }
}

/** Asks with tokens, and once more with fresh ones when the peer refuses those. Without a provider it asks at once. */
export function authorized<T>(
  provider: TokenProvider | undefined,
  need: Omit<TokenNeed, "refresh">,
  ask: (tokens: readonly AuthToken[]) => Promise<T>,
): Promise<T> {
  return provider ? askTwice(provider, need, ask) : ask([]);
}

async function askTwice<T>(
  provider: TokenProvider,
  need: Omit<TokenNeed, "refresh">,
  ask: (tokens: readonly AuthToken[]) => Promise<T>,
): Promise<T> {
  const tokens = await tokensFor(provider, { ...need, refresh: false });
  try {
    return await ask(tokens);
  } catch (thrown) {
    const code = thrown instanceof CountersignError ? thrown.protocolCode : undefined;
    const refused =
      thrown instanceof CountersignError &&
      (thrown.code === "unauthorized" || thrown.code === "request-rejected");
    if (!refused || code === undefined || !MENDABLE.has(code)) throw thrown;
    return ask(await tokensFor(provider, { ...need, refresh: true }));
  }
}

export function withTokens(parameters: Parameters, tokens: readonly AuthToken[]): Parameters {
  if (tokens.length === 0) return parameters;
  return { ...parameters, authorizationTokens: [...(parameters.authorizationTokens ?? []), ...tokens] };
}

/**
 * Extends a subscription before it expires, with fresh tokens (§10.2.10), as often as the peer grants it. `expiry` tells of each EXPIRES in an answer of the peer, the
 * first included; it is called with the function to tell. Failing is harmless here: the subscription then ends by itself and says so.
 */
export function keepExtended(
  subscription: Subscription,
  provider: TokenProvider,
  need: Omit<TokenNeed, "refresh">,
  expiry: (tell: (expiresMs: number) => void) => void,
  clock: Clock = systemClock,
): void {
  let cancelTimer: (() => void) | undefined;
  let over = false;
  void subscription.ended.then(() => {
    over = true;
    cancelTimer?.();
  });
  expiry((expiresMs) => {
    cancelTimer?.();
    if (over || expiresMs === 0) return;
    cancelTimer = clock.setTimer(expiresMs * EXTEND_AT, () => {
      tokensFor(provider, { ...need, refresh: true })
        .then((authorizationTokens) => (over ? undefined : subscription.update({ authorizationTokens })))
        .catch(() => undefined);
    });
  });
}
