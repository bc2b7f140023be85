/** Tokens as the app gives them, as the transport wants them. */
import type { Clock } from "../src/clock.ts";
import { CountersignError } from "../src/errors.ts";
import type { AuthorizationNeed, OpenOptions, PageApi } from "../src/rpc/protocol.ts";
import type { TokenNeed, TokenProvider } from "../src/transport/authorization.ts";
import { utf8DecodeLossy, utf8Encode } from "../src/utf8.ts";
import type { AuthToken } from "../src/wire/messages.ts";

/** How long the app may take for a token: a request to its own server, and a person who has to log in elsewhere is too slow. Past it: "unauthorized". */
export const TOKEN_TIMEOUT_MS = 10_000;

/** Token Type 0: what the bytes mean is agreed outside of the protocol (draft-ietf-moq-transport-18 §10.2.2). */
const OUT_OF_BAND = 0;

/** Undefined when the app gave neither a token nor a function: then none is sent. */
export function tokenSource(
  authorization: OpenOptions["authorization"],
  page: PageApi | undefined,
  clock: Clock,
): TokenProvider | undefined {
  if (!authorization) return undefined;
  const { token } = authorization;
  if (token !== undefined) return () => tokensOf(token);
  return async (need) => {
    const asked = page?.token?.(plain(need));
    return tokensOf(asked && (await within(clock, asked)));
  };
}

function tokensOf(token: string | undefined): readonly AuthToken[] {
  if (token === undefined) return [];
  return [{ alias: "use-value", tokenType: OUT_OF_BAND, value: utf8Encode(token) }];
}

/** Without bytes: names as text, since it is people who write the function. */
function plain({ url, purpose, namespace, name, refresh }: TokenNeed): AuthorizationNeed {
  return {
    url,
    purpose,
    refresh,
    ...(namespace && { namespace: namespace.map(utf8DecodeLossy) }),
    ...(name && { track: utf8DecodeLossy(name) }),
  };
}

function within<T>(clock: Clock, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(TOKEN_TIMEOUT_MS, () =>
      reject(new CountersignError("unauthorized", `No token came within ${TOKEN_TIMEOUT_MS / 1000} s.`)),
    );
    promise.then(resolve, reject).finally(cancel);
  });
}
