import { expect, test } from "vitest";
import { pageApi } from "../src/playback/page-api.ts";
import type { AuthorizationNeed } from "../src/rpc/protocol.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { tokensFor } from "../src/transport/authorization.ts";
import { utf8Encode } from "../src/utf8.ts";
import { namespaceOf, trackOf } from "../src/wire/names.ts";
import { TOKEN_TIMEOUT_MS, tokenSource } from "./token-source.ts";

const need = { url: "https://a.test/", purpose: "subscribe", refresh: false } as const;
const secret = { alias: "use-value", tokenType: 0, value: utf8Encode("secret") };

test("without a token nobody is asked for one", () => {
  expect(tokenSource(undefined, undefined, new FakeClock())).toBeUndefined();
});

test("a token goes by value with everything", async () => {
  expect(await tokenSource({ token: "secret" }, undefined, new FakeClock())?.(need)).toEqual([secret]);
});

test("a function is told what the token is for, in text, and may give none", async () => {
  const needs: AuthorizationNeed[] = [];
  const authorize = async (asked: AuthorizationNeed) => {
    needs.push(asked);
    return asked.refresh ? "secret" : undefined;
  };
  const source = tokenSource({}, pageApi({ authorization: authorize }), new FakeClock());
  const track = trackOf(namespaceOf("example.com", "live"), "video");
  expect(await source?.({ ...need, ...track })).toEqual([]);
  expect(await source?.({ ...need, purpose: "session", refresh: true })).toEqual([secret]);
  expect(needs).toEqual([
    { ...need, namespace: ["example.com", "live"], track: "video" },
    { ...need, purpose: "session", refresh: true },
  ]);
});

test("a function that never answers fails what it was asked for", async () => {
  const clock = new FakeClock();
  const source = tokenSource(
    {},
    pageApi({ authorization: () => new Promise<never>(() => undefined) }),
    clock,
  )!;
  const asked = expect(tokensFor(source, need)).rejects.toMatchObject({
    code: "unauthorized",
    peer: need.url,
  });
  await clock.run(TOKEN_TIMEOUT_MS);
  await asked;
  expect(clock.pending).toBe(0);
});
