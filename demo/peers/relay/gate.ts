/** A relay that lets subscribers in by token, or sends them elsewhere: what operators do, for the demo and its tests. Publishers are let in as ever. */
import type { IncomingFetch, IncomingSubscribe, Rejection } from "../../../src/transport/connection.ts";
import { utf8DecodeLossy } from "../../../src/utf8.ts";
import { requestErrors } from "../../../src/wire/codes.ts";
import type { RequestFilter } from "./relay.ts";

export interface Gate {
  /** Asked of every SUBSCRIBE and FETCH, as an authorization token of any type. */
  readonly token?: string | undefined;
  /** Every SUBSCRIBE and FETCH is redirected there. */
  readonly redirect?: string | undefined;
}

export function gated({ token, redirect }: Gate, next: RequestFilter): RequestFilter {
  const refusal = ({ parameters }: IncomingSubscribe | IncomingFetch): Rejection | undefined => {
    const given = parameters.authorizationTokens ?? [];
    const isRight = given.some((one) => "value" in one && utf8DecodeLossy(one.value) === token);
    if (token !== undefined && !isRight) {
      return { errorCode: requestErrors.unauthorized, reason: "this relay wants a token" };
    }
    if (redirect === undefined) return undefined;
    const to = { connectUri: redirect, namespace: [], name: new Uint8Array(0) };
    return { errorCode: requestErrors.redirect, reason: "ask there", redirect: to };
  };
  const pass = <R extends IncomingSubscribe | IncomingFetch>(
    request: R,
    on: (request: R) => R | undefined,
  ): R | undefined => {
    const refused = refusal(request);
    if (!refused) return on(request);
    request.reject(refused);
    return undefined;
  };
  return {
    subscribe: (request) => pass(request, (admitted) => next.subscribe(admitted)),
    fetch: (request) => pass(request, (admitted) => next.fetch(admitted)),
  };
}
