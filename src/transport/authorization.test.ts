import { expect, test } from "vitest";
import { broadcast, recorder, video } from "../testing/conversation.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { memoryTransport } from "../testing/memory-transport.ts";
import { utf8DecodeLossy, utf8Encode } from "../utf8.ts";
import { requestErrors } from "../wire/codes.ts";
import type { AuthToken, Parameters } from "../wire/messages.ts";
import type { TokenNeed, TokenProvider } from "./authorization.ts";
import { accept, connect } from "./connect.ts";
import type { RequestHandlers } from "./connection.ts";

const url = "https://relay.test/";

function token(text: string): AuthToken {
  return { alias: "use-value", tokenType: 0, value: utf8Encode(text) };
}

/** The tokens of a request as text. */
function read({ authorizationTokens = [] }: Parameters): string {
  return authorizationTokens
    .map((one) => (one.alias === "use-value" ? utf8DecodeLossy(one.value) : one.alias))
    .join();
}

/** A client with this provider and a server with these handlers. */
async function session(tokens: TokenProvider, handlers: RequestHandlers) {
  const clock = new FakeClock();
  const wire = memoryTransport({ clock });
  const accepting = accept(wire.server, { clock }, handlers);
  const client = await connect(() => Promise.resolve(wire.client), { url, clock, tokens });
  await accepting;
  return { client, clock };
}

test("the provider is asked for the session and for each request, and its tokens go out by value", async () => {
  const needs: TokenNeed[] = [];
  const seen: string[] = [];
  const { client } = await session(
    async (need) => {
      needs.push(need);
      return [token(need.purpose)];
    },
    {
      subscribe: (request) => {
        seen.push(read(request.parameters));
        request.accept({});
      },
      publishNamespace: (request) => {
        seen.push(read(request.parameters));
        request.accept();
      },
      publish: (request) => {
        seen.push(read(request.parameters));
        request.accept({ object: () => undefined });
      },
    },
  );
  await client.subscribe({ track: video }, recorder().sink);
  await client.publishNamespace(broadcast);
  await client.publish(video, {});
  expect(seen).toEqual(["subscribe", "publish-namespace", "publish"]);
  expect(needs.map(({ purpose }) => purpose)).toEqual([
    "session",
    "subscribe",
    "publish-namespace",
    "publish",
  ]);
  expect(needs[1]).toEqual({ url, purpose: "subscribe", ...video, refresh: false });
});

test("tokens that are refused are refreshed once, and the request is asked again", async () => {
  const seen: string[] = [];
  const provider: TokenProvider = ({ refresh }) => [token(refresh ? "new" : "old")];
  const handlers: RequestHandlers = {
    subscribe: (request) => {
      seen.push(read(request.parameters));
      if (seen.at(-1) === "new") request.accept({});
      else request.reject({ errorCode: requestErrors["expired-auth-token"], reason: "" });
    },
    fetch: (request) => {
      seen.push(`fetch ${read(request.parameters)}`);
      request.reject({ errorCode: requestErrors.unauthorized, reason: "never" });
    },
  };
  const { client } = await session(provider, handlers);
  await client.subscribe({ track: video }, recorder().sink);
  expect(seen).toEqual(["old", "new"]);
  const fetching = client.fetch(
    { track: video, start: { group: 0, object: 0 }, end: { group: 0 } },
    recorder().sink,
  );
  await expect(fetching).rejects.toMatchObject({ code: "unauthorized" });
  expect(seen.slice(2)).toEqual(["fetch old", "fetch new"]);
});

test("a refusal for another reason is not asked again", async () => {
  let asked = 0;
  const { client } = await session(() => [token("x")], {
    subscribe: (request) => {
      asked++;
      request.reject({ errorCode: requestErrors["does-not-exist"], reason: "" });
    },
  });
  await expect(client.subscribe({ track: video }, recorder().sink)).rejects.toMatchObject({
    code: "request-rejected",
  });
  expect(asked).toBe(1);
});

test("a provider that fails fails what it was asked for, with its own error as the cause", async () => {
  const cause = new Error("the login page is down");
  const { client } = await session(({ purpose }) => (purpose === "session" ? [] : Promise.reject(cause)), {});
  await expect(client.trackStatus(video)).rejects.toMatchObject({ code: "unauthorized", cause });
  const clock = new FakeClock();
  const wire = memoryTransport({ clock });
  const connecting = connect(() => Promise.resolve(wire.client), {
    url,
    clock,
    tokens: () => Promise.reject(cause),
  });
  await expect(connecting).rejects.toMatchObject({ code: "unauthorized", peer: url });
  expect(clock.pending).toBe(0);
});

test("§10.2.10: a subscription that expires is extended in time with fresh tokens, for as long as the peer grants it", async () => {
  const seen: string[] = [];
  let number = 0;
  const { client, clock } = await session(({ refresh }) => [token(refresh ? `fresh ${++number}` : "first")], {
    subscribe: (request) => {
      seen.push(read(request.parameters));
      request.accept({
        parameters: { expiresMs: 1_000 },
        extend: (parameters) => {
          seen.push(read(parameters));
          return number < 3 ? 1_000 : undefined;
        },
      });
    },
  });
  const subscription = await client.subscribe({ track: video }, recorder().sink);
  let reason: string | undefined;
  void subscription.ended.then((end) => {
    reason = end.reason;
  });
  // Granted at 750 and 1500, not at 2250: over at 2500.
  await clock.run(2_400);
  expect(reason).toBeUndefined();
  await clock.run(200);
  await settle();
  expect(reason).toBe("expired");
  expect(seen).toEqual(["first", "fresh 1", "fresh 2", "fresh 3"]);
  expect(clock.pending).toBe(0);
});
