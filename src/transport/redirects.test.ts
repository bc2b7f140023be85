import { expect, test } from "vitest";
import { object, recorder, video } from "../testing/conversation.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { memoryDial } from "../testing/memory-transport.ts";
import { requestErrors } from "../wire/codes.ts";
import type { Redirect } from "../wire/messages.ts";
import { type Namespace, namespaceKey, namespaceOf, trackKey, trackOf } from "../wire/names.ts";
import { accept, connect } from "./connect.ts";
import type { Connection, RequestHandlers } from "./connection.ts";
import {
  followingRedirects,
  MAX_REDIRECT_HOPS,
  MAX_REDIRECT_SESSIONS,
  type RedirectPolicy,
  redirectTarget,
} from "./redirects.ts";

const HOME = "https://relay.test/moq";
const unchanged = { namespace: [], name: new Uint8Array(0) };

/** A network of relays by URL; dialing one that is not there fails. */
async function network(relays: Readonly<Record<string, RequestHandlers>>, policy?: RedirectPolicy) {
  const clock = new FakeClock();
  const dialed: string[] = [];
  const open: Connection[] = [];
  const dial = memoryDial((server, _, url) => {
    dialed.push(url);
    void accept(server, { clock, url }, relays[url] ?? {}).then((connection) => open.push(connection));
  });
  const at = (url: string) => connect(dial, { url, clock });
  const client = followingRedirects(await at(HOME), { connect: at, ...(policy && { policy }) });
  return { client, dialed, open, clock };
}

function redirecting(redirect: Redirect): RequestHandlers {
  const rejection = { errorCode: requestErrors.redirect, reason: "", redirect };
  return { subscribe: (request) => request.reject(rejection), fetch: (request) => request.reject(rejection) };
}

function serving(names: string[]): RequestHandlers {
  return {
    subscribe: (request) => {
      names.push(trackKey(request.track));
      request.accept({ largest: { group: 2, object: 0 } });
    },
    fetch: (request) => {
      names.push(`fetch ${trackKey(request.track)}`);
      void request.accept({ end: { group: 2, object: 0 }, endOfTrack: false }).then(async (writer) => {
        await writer.write(object(2, 0));
        await writer.close();
      });
    },
  };
}

test("a subscription goes where it is sent, under the name it is given, and a joining fetch follows it there", async () => {
  const names: string[] = [];
  const other = trackOf(namespaceOf("other"), "v");
  const { client, dialed } = await network({
    [HOME]: redirecting({ connectUri: "https://relay.test/there", ...other }),
    "https://relay.test/there": serving(names),
  });
  const { sink, objects } = recorder();
  const subscription = await client.subscribe({ track: video }, sink);
  await client.joiningFetch({ subscription, start: { relative: 0 } }, sink);
  expect(names).toEqual(["other--v", "fetch other--v"]);
  expect(objects).toEqual(["2/0:100:32"]);
  expect(dialed).toEqual([HOME, "https://relay.test/there"]);
});

test("without an address the same session is asked for the other track", async () => {
  const names: string[] = [];
  const other = trackOf(namespaceOf("other"), "v");
  const { client, dialed } = await network({
    [HOME]: {
      subscribe: (request) => {
        names.push(trackKey(request.track));
        if (names.length > 1) request.accept({});
        else
          request.reject({
            errorCode: requestErrors.redirect,
            reason: "",
            redirect: { connectUri: "", ...other },
          });
      },
    },
  });
  await client.subscribe({ track: video }, recorder().sink);
  expect(names).toEqual([trackKey(video), "other--v"]);
  expect(dialed).toEqual([HOME]);
});

test("another origin is not gone to unless the policy allows it", async () => {
  const names: string[] = [];
  const relays = {
    [HOME]: redirecting({ connectUri: "https://elsewhere.test/", ...unchanged }),
    "https://elsewhere.test/": serving(names),
  };
  const strict = await network(relays);
  const refused = strict.client.fetch(
    { track: video, start: { group: 0, object: 0 }, end: { group: 1 } },
    recorder().sink,
  );
  await expect(refused).rejects.toMatchObject({ code: "redirect-refused", peer: HOME });
  expect(strict.dialed).toEqual([HOME]);
  const open = await network(relays, { origins: ["https://elsewhere.test"] });
  await open.client.subscribe({ track: video }, recorder().sink);
  expect(names).toEqual([trackKey(video)]);
});

test("a circle ends at the limit of hops", async () => {
  const there = "https://relay.test/there";
  const { client, dialed } = await network({
    [HOME]: redirecting({ connectUri: there, ...unchanged }),
    [there]: redirecting({ connectUri: HOME, ...unchanged }),
  });
  await expect(client.subscribe({ track: video }, recorder().sink)).rejects.toMatchObject({
    code: "redirect-refused",
  });
  // Both sessions are used again.
  expect(dialed).toEqual([HOME, there]);
  expect(MAX_REDIRECT_HOPS).toBe(3);
});

test("one peer makes us open only so many sessions, which all end with the first", async () => {
  let asked = 0;
  const relays: Record<string, RequestHandlers> = {
    [HOME]: {
      subscribe: (request) => {
        const redirect = { connectUri: `https://relay.test/${asked++}`, ...unchanged };
        request.reject({ errorCode: requestErrors.redirect, reason: "", redirect });
      },
    },
  };
  for (let i = 0; i <= MAX_REDIRECT_SESSIONS; i++) relays[`https://relay.test/${i}`] = serving([]);
  const { client, open, clock } = await network(relays);
  for (let i = 0; i < MAX_REDIRECT_SESSIONS; i++) await client.subscribe({ track: video }, recorder().sink);
  await expect(client.subscribe({ track: video }, recorder().sink)).rejects.toMatchObject({
    code: "redirect-refused",
  });
  client.close();
  await Promise.all(open.map(({ closed }) => closed));
  await settle();
  expect(open).toHaveLength(1 + MAX_REDIRECT_SESSIONS);
  expect(clock.pending).toBe(0);
});

test("origins are compared, not texts, and what is no address is refused as such", () => {
  expect(redirectTarget(HOME, "moqt://relay.test:443/x#a")).toBe("https://relay.test/x");
  expect(() => redirectTarget(HOME, "https://relay.test:444/")).toThrow(
    expect.objectContaining({ code: "redirect-refused" }),
  );
  expect(() => redirectTarget(HOME, "https://relay.test.evil.example/")).toThrow(
    expect.objectContaining({ code: "redirect-refused" }),
  );
  expect(() => redirectTarget(HOME, "http://relay.test/")).toThrow(
    expect.objectContaining({ code: "address-invalid" }),
  );
  expect(() => redirectTarget(HOME, "nowhere")).toThrow(expect.objectContaining({ code: "address-invalid" }));
});

const elsewhere = "https://relay.test/elsewhere";
const movedTo = (namespace: readonly Uint8Array[]) => ({
  errorCode: requestErrors.redirect,
  reason: "",
  redirect: { connectUri: elsewhere, namespace, name: new Uint8Array(0) },
});

/** Refuses what is announced to it, or asked of its namespaces, with this redirect. */
function announcing(redirection: ReturnType<typeof movedTo>): RequestHandlers {
  return {
    publishNamespace: (request) => request.reject(redirection),
    subscribeNamespace: (request) => request.reject(redirection),
    subscribeTracks: (request) => request.reject(redirection),
  };
}

test("announcements and the watching of namespaces go where they are sent", async () => {
  const announced: string[] = [];
  const { client, dialed } = await network({
    [HOME]: announcing(movedTo([])),
    [elsewhere]: {
      publishNamespace: (request) => {
        announced.push(namespaceKey(request.namespace));
        request.accept();
      },
      subscribeNamespace: (request) => request.accept().add(namespaceOf("found")),
    },
  });
  await client.publishNamespace(namespaceOf("ours"));
  const found = new Promise<string>((resolve) => {
    const listener = {
      added: (namespace: Namespace) => resolve(namespaceKey(namespace)),
      removed: () => undefined,
    };
    void client.subscribeNamespace(namespaceOf("theirs"), listener);
  });
  expect(announced).toEqual(["ours"]);
  expect(await found).toBe("theirs-found");
  expect(dialed).toEqual([HOME, elsewhere]);
});

test("they are not taken to another namespace, nor SUBSCRIBE_TRACKS anywhere", async () => {
  const { client, dialed } = await network({ [HOME]: announcing(movedTo(namespaceOf("other"))) });
  const listener = { added: () => undefined, removed: () => undefined };
  for (const request of [
    client.publishNamespace(namespaceOf("ours")),
    client.subscribeNamespace(namespaceOf("theirs"), listener),
    client.subscribeTracks(namespaceOf("theirs")),
  ]) {
    await expect(request).rejects.toMatchObject({ code: "redirect-refused", peer: HOME });
  }
  expect(dialed).toEqual([HOME]);
});
