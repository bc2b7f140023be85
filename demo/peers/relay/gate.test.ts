import { expect, test } from "vitest";
import type { IncomingFetch, IncomingSubscribe, Rejection } from "../../../src/transport/connection.ts";
import { utf8Encode } from "../../../src/utf8.ts";
import { requestErrors } from "../../../src/wire/codes.ts";
import { type Gate, gated } from "./gate.ts";

/** What becomes of a SUBSCRIBE and a FETCH that carry this token. */
function ask(gate: Gate, token?: string): (Rejection | "admitted" | undefined)[] {
  const filter = gated(gate, { subscribe: (request) => request, fetch: (request) => request });
  const authorizationTokens =
    token === undefined ? [] : [{ alias: "use-value", tokenType: 0, value: utf8Encode(token) }];
  return (["subscribe", "fetch"] as const).map((kind) => {
    let rejection: Rejection | undefined;
    const request = {
      parameters: { authorizationTokens },
      reject: (given: Rejection) => {
        rejection = given;
      },
    } as unknown as IncomingSubscribe & IncomingFetch;
    return filter[kind](request) === request ? "admitted" : rejection;
  });
}

test("without a gate everybody is let in", () => {
  expect(ask({})).toEqual(["admitted", "admitted"]);
});

test("who has not the token is refused, both for the live edge and for what was before", () => {
  expect(ask({ token: "secret" }, "secret")).toEqual(["admitted", "admitted"]);
  for (const token of [undefined, "", "other"]) {
    const refused = { errorCode: requestErrors.unauthorized };
    expect(ask({ token: "secret" }, token)).toMatchObject([refused, refused]);
  }
});

test("a relay that redirects admits nobody, and asks for its token first", () => {
  const redirect = "https://other.test/";
  const sent = { errorCode: requestErrors.redirect, redirect: { connectUri: redirect } };
  expect(ask({ redirect })).toMatchObject([sent, sent]);
  expect(ask({ redirect, token: "secret" })[0]).toMatchObject({ errorCode: requestErrors.unauthorized });
});
