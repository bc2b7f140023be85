import { describe, expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import {
  MAX_UNKNOWN_ALIAS_BYTES,
  MAX_UNKNOWN_ALIAS_STREAMS,
  UNKNOWN_ALIAS_MAX_AGE_MS,
} from "../session/limits.ts";
import {
  broadcast,
  object,
  pair as pairOf,
  publishGroups,
  recorder,
  upload,
  video,
} from "../testing/conversation.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { memoryTransport } from "../testing/memory-transport.ts";
import { streamResets } from "../wire/codes.ts";
import { draft18 } from "../wire/draft18/index.ts";
import { everyCodec } from "../wire/every-codec.ts";
import { namespaceOf } from "../wire/names.ts";
import type { FetchGap } from "../wire/objects.ts";
import { MAX_QUIC_VARINT } from "../wire/quic-varint.ts";
import { supportedVersions } from "../wire/registry.ts";
import { MAX_VARINT } from "../wire/varint.ts";
import { accept, connect } from "./connect.ts";
import type { ObjectSink, PublishedTrack, RequestHandlers, SubgroupWriter } from "./connection.ts";
import { CONNECT_TIMEOUT_MS, REQUEST_TIMEOUT_MS, SETUP_TIMEOUT_MS } from "./limits.ts";

const url = "https://relay.test/";
const subgroup = { subgroup: 0, endOfGroup: true, firstObject: true, hasProperties: false };
const nothing: ObjectSink = { object: () => undefined };

/** A server made by hand, so that it can send what a correct one would not. */
async function byHand() {
  const clock = new FakeClock();
  const wire = memoryTransport({ clock });
  const codec = draft18;
  const control = (await wire.server.createUnidirectionalStream()).getWriter();
  void control.write(codec.encodeSetup({ type: "setup" }, "server"));
  const client = await connect(() => Promise.resolve(wire.client), { url, clock });
  const send = async (trackAlias: number, group: number, bytes: number) => {
    const header = { trackAlias, group, priority: 1, ...subgroup };
    const stream = (await wire.server.createUnidirectionalStream()).getWriter();
    const one = object(group, 0, bytes);
    const fields = codec.encodeSubgroupObject(one, header, undefined);
    const parts = [...codec.encodeSubgroupHeader(header), ...fields, ...one.payload];
    const sent = stream.write(new Uint8Array(parts)).then(() => stream.close());
    return sent.then(
      () => "sent" as const,
      () => "stopped" as const,
    );
  };
  const answer = async (trackAlias: number) => {
    const { value } = await wire.server.incomingBidirectionalStreams.getReader().read();
    const message = { type: "subscribe-ok", trackAlias, parameters: {}, trackProperties: [] } as const;
    void value!.writable.getWriter().write(codec.encodeMessage(message));
    return value!;
  };
  return { clock, wire, client, send, answer };
}

describe("opening", () => {
  test("both sides learn the other's name and the version that is spoken", async () => {
    const { client, server } = await pairOf({}, { settings: { implementation: "x/1" } });
    expect(client).toMatchObject({ url, version: "moqt-18", peerImplementation: "x/1" });
    expect(server.peerImplementation).toBe("x/1");
  });

  test("the subprotocol that the server chose decides; one that was not offered is refused", async () => {
    const good = memoryTransport({ protocol: "moqt-18" });
    void accept(good.server, {}, {});
    expect((await connect(() => Promise.resolve(good.client), { url })).version).toBe("moqt-18");
    const odd = memoryTransport({ protocol: "moqt-99" });
    await expect(connect(() => Promise.resolve(odd.client), { url })).rejects.toMatchObject({
      code: "version-unsupported",
      peer: url,
    });
    expect(await odd.server.closed).toBeDefined();
  });

  test("a dial that does not come back is given up, and a session that opens too late is closed", async () => {
    const clock = new FakeClock();
    const wire = memoryTransport();
    let open: () => void = () => undefined;
    const connecting = connect(() => new Promise((resolve) => (open = () => resolve(wire.client))), {
      url,
      clock,
    });
    const failed = expect(connecting).rejects.toMatchObject({ code: "connect-timeout", peer: url });
    clock.advance(CONNECT_TIMEOUT_MS);
    await failed;
    open();
    await wire.server.closed;
    expect(clock.pending).toBe(0);
  });

  test("a peer without SETUP is given up with CONTROL_MESSAGE_TIMEOUT", async () => {
    const clock = new FakeClock();
    const wire = memoryTransport();
    const connecting = connect(() => Promise.resolve(wire.client), { url, clock, versions: ["moqt-18"] });
    const failed = expect(connecting).rejects.toMatchObject({ code: "connect-timeout", protocolCode: 0x11 });
    await clock.run(SETUP_TIMEOUT_MS);
    await failed;
    expect(await wire.server.closed).toMatchObject({ closeCode: 0x11 });
  });

  test("an abort rejects with its reason, before and during SETUP", async () => {
    const wire = memoryTransport();
    const controller = new AbortController();
    const connecting = connect(() => Promise.resolve(wire.client), { url, signal: controller.signal });
    await settle();
    controller.abort(new Error("left the page"));
    await expect(connecting).rejects.toThrow("left the page");
    await expect(connect(() => Promise.reject(), { url, signal: controller.signal })).rejects.toThrow(
      "left the page",
    );
    await wire.server.closed;
  });
});

describe("streams of aliases that are not known yet (§11.4.2)", () => {
  test("one that overtook its SUBSCRIBE_OK waits and is delivered", async () => {
    const { client, send, answer } = await byHand();
    const { sink, objects, ends } = recorder();
    const subscribing = client.subscribe({ track: video }, sink);
    await send(9, 4, 50);
    await settle();
    expect(objects).toEqual([]);
    await answer(9);
    await subscribing;
    await settle();
    expect(objects).toEqual(["4/0:50:64"]);
    expect(ends).toEqual(["4 complete"]);
  });

  test("one whose alias never comes is abandoned when it is too old", async () => {
    const { clock, client, send, answer } = await byHand();
    const { sink, objects } = recorder();
    void client.subscribe({ track: video }, sink);
    await send(9, 4, 50);
    await clock.run(UNKNOWN_ALIAS_MAX_AGE_MS);
    await answer(9);
    await settle();
    expect(objects).toEqual([]);
  });

  test("only so many wait, and only with so many bytes", async () => {
    const { client, send, answer } = await byHand();
    const { sink, objects } = recorder();
    const subscribing = client.subscribe({ track: video }, sink);
    for (let group = 0; group < MAX_UNKNOWN_ALIAS_STREAMS + 5; group++) void send(9, group, 10);
    await settle();
    await answer(9);
    await subscribing;
    await settle();
    expect(objects).toHaveLength(MAX_UNKNOWN_ALIAS_STREAMS);
    const other = await byHand();
    const big = recorder();
    void other.client.subscribe({ track: video }, big.sink);
    const bytes = MAX_UNKNOWN_ALIAS_BYTES / 4;
    for (let group = 0; group < 6; group++) void other.send(9, group, bytes);
    await settle();
    await settle();
    await other.answer(9);
    await settle();
    await settle();
    expect(big.objects).toHaveLength(3);
  });

  test("a stream that answers a FETCH nobody sent closes the session (§11.4.4)", async () => {
    const { wire, client } = await byHand();
    const stream = (await wire.server.createUnidirectionalStream()).getWriter();
    void stream.write(draft18.encodeFetchHeader(44));
    const { error } = await client.closed;
    expect(error).toMatchObject({ code: "protocol-violation", protocolCode: 0x3 });
    expect(await wire.server.closed).toMatchObject({ closeCode: 0x3 });
  });

  test("a second control stream, and a stream of unknown type, close the session", async () => {
    for (const bytes of [draft18.encodeSetup({ type: "setup" }, "server"), new Uint8Array([0x3f, 0x01])]) {
      const { wire, client } = await byHand();
      const stream = (await wire.server.createUnidirectionalStream()).getWriter();
      void stream.write(bytes);
      expect((await client.closed).error).toMatchObject({ protocolCode: 0x3 });
    }
  });
});

describe("cancelling does not rely on the other side", () => {
  test("a subscriber resets its request and stops the streams, whatever the publisher does", async () => {
    const { wire, client, answer } = await byHand();
    const subscribing = client.subscribe({ track: video }, nothing);
    const request = await answer(9);
    const subscription = await subscribing;
    const codec = draft18;
    const stream = (await wire.server.createUnidirectionalStream()).getWriter();
    const stopped = stream.closed.catch((thrown: unknown) => thrown);
    await stream.write(codec.encodeSubgroupHeader({ trackAlias: 9, group: 0, priority: 1, ...subgroup }));
    await settle();
    subscription.cancel();
    expect(await stopped).toMatchObject({ streamErrorCode: streamResets.cancelled });
    const reader = request.readable.getReader();
    const reset = (async () => {
      while (!(await reader.read()).done);
    })();
    await expect(reset).rejects.toMatchObject({ streamErrorCode: streamResets.cancelled });
  });

  test("a publisher resets the streams of a subscription that was cancelled (§5.1.1)", async () => {
    const wire = memoryTransport();
    const codec = draft18;
    const control = (await wire.client.createUnidirectionalStream()).getWriter();
    void control.write(codec.encodeSetup({ type: "setup" }, "client"));
    let track: PublishedTrack | undefined;
    await accept(wire.server, {}, { subscribe: (request) => (track = request.accept({})) });
    const request = await wire.client.createBidirectionalStream();
    const writer = request.writable.getWriter();
    await writer.write(
      codec.encodeMessage({ type: "subscribe", requestId: 0, track: video, parameters: {} }),
    );
    await settle();
    const open = await track!.openSubgroup({ group: 0, ...subgroup });
    await open.write(object(0, 0));
    const incoming = wire.client.incomingUnidirectionalStreams.getReader();
    await incoming.read();
    const { value } = await incoming.read();
    const reader = value!.getReader();
    await reader.read();
    void writer.abort();
    await track!.cancelled;
    await expect(reader.read()).rejects.toMatchObject({ streamErrorCode: streamResets.cancelled });
  });
});

/** What holds in every draft: the rest of Countersign sees one kind of connection. */
describe.each(supportedVersions)("%s", (version) => {
  const pair = (handlers: RequestHandlers, options: Parameters<typeof pairOf>[1] = {}) =>
    pairOf(handlers, { ...options, settings: { versions: [version], ...options.settings } });
  const requestStreams = everyCodec.find((codec) => codec.version === version)!.capabilities.requestStreams;
  const tellsUnknown = requestStreams || version === "moqt-16";

  /** A pair of which the server publishes whatever is subscribed; gives the track that the server holds. */
  async function publishing(options?: Parameters<typeof pair>[1]) {
    const tracks: PublishedTrack[] = [];
    const ends = await pair({ subscribe: (request) => tracks.push(request.accept({})) }, options);
    return { ...ends, track: () => tracks.at(-1)! };
  }

  describe("subscriptions", () => {
    test("objects come in order with their payloads, and the end tells why", async () => {
      const { client, track } = await publishing();
      const { sink, objects, ends } = recorder();
      const subscription = await client.subscribe(
        { track: video, filter: { type: "next-group-start" } },
        sink,
      );
      await publishGroups(track(), 1, 3, 20_000);
      expect(await subscription.ended).toEqual({ reason: "track-ended" });
      expect(objects).toEqual(["0/0:20000:0", "0/1:20000:1", "0/2:20000:2"]);
      expect(ends).toEqual(["0 complete"]);
    });

    test("small objects that were not awaited arrive whole and in order", async () => {
      const { client, track } = await publishing();
      const { sink, objects } = recorder();
      const subscription = await client.subscribe({ track: video }, sink);
      const writer = await track().openSubgroup({ group: 0, ...subgroup });
      const sizes = [10, 0, 5000, 30, 4096, 4097, 1, 0];
      const written = sizes.map((bytes, id) => writer.write(object(0, id, bytes)));
      await Promise.all([...written, writer.close()]);
      await track().done(2, "");
      await subscription.ended;
      expect(objects.map((line) => Number(line.split(":")[1]))).toEqual(sizes);
    });

    test("payloads are views of what was read, not copies", async () => {
      const { client, track } = await publishing({ wire: { faults: { chunking: "coalesced" } } });
      const buffers = new Set<ArrayBufferLike>();
      const subscription = await client.subscribe(
        { track: video },
        { object: (o) => buffers.add(o.payload.buffer) },
      );
      const writer = await track().openSubgroup({ group: 0, ...subgroup });
      for (let id = 0; id < 20; id++) void writer.write(object(0, id, 50));
      await writer.close();
      await track().done(2, "");
      await subscription.ended;
      expect(buffers.size).toBeLessThan(4);
    });

    test("a refusal carries the code and the words of the publisher", async () => {
      const { client } = await pair({
        subscribe: (request) =>
          request.reject({ errorCode: 0x10, reason: "no such track", retryAfterMs: 500 }),
      });
      await expect(client.subscribe({ track: video }, nothing)).rejects.toMatchObject({
        code: "request-rejected",
        protocolCode: 0x10,
        message: expect.stringContaining("no such track"),
      });
    });

    test("what nobody serves is refused with NOT_SUPPORTED", async () => {
      const { client } = await pair({});
      await expect(client.subscribe({ track: video }, nothing)).rejects.toMatchObject({ protocolCode: 0x3 });
      await expect(client.publishNamespace(broadcast)).rejects.toMatchObject({ protocolCode: 0x3 });
    });

    test("cancelling stops its streams at the publisher and tells it", async () => {
      const { client, track } = await publishing();
      const { sink, objects } = recorder();
      const subscription = await client.subscribe({ track: video }, sink);
      const writer = await track().openSubgroup({ group: 0, ...subgroup });
      await writer.write(object(0, 0));
      await settle();
      subscription.cancel();
      expect(await subscription.ended).toEqual({ reason: "cancelled" });
      await track().cancelled;
      await expect(writer.write(object(0, 1))).rejects.toMatchObject({ code: "stream-reset" });
      expect(objects).toHaveLength(1);
      await expect(track().openSubgroup({ group: 1, ...subgroup })).rejects.toMatchObject({
        code: "session-closed",
      });
    });

    test("a request that was cancelled before it was accepted is over at once", async () => {
      let acceptNow: () => PublishedTrack = () => {
        throw new Error("nothing was asked");
      };
      const { client } = await pair({
        subscribe(request) {
          acceptNow = () => request.accept({});
        },
      });
      const controller = new AbortController();
      client.subscribe({ track: video, signal: controller.signal }, nothing).catch(() => undefined);
      await settle();
      controller.abort();
      await settle();
      const track = acceptNow();
      await track.cancelled;
      expect(track.forward).toBe(false);
      await expect(track.openSubgroup({ group: 0, ...subgroup })).rejects.toMatchObject({
        code: "session-closed",
      });
      await track.done(2, "");
    });

    test("an abort signal cancels a subscription that is not answered yet", async () => {
      const { client } = await pair({ subscribe: () => undefined });
      const controller = new AbortController();
      const subscribing = client.subscribe({ track: video, signal: controller.signal }, nothing);
      await settle();
      controller.abort(new Error("enough"));
      await expect(subscribing).rejects.toThrow("enough");
    });

    test("a peer that never answers is given up after the request timeout", async () => {
      const { client, clock } = await pair({ subscribe: () => undefined });
      const failed = expect(client.subscribe({ track: video }, nothing)).rejects.toMatchObject({
        code: "request-timeout",
      });
      await clock.run(REQUEST_TIMEOUT_MS);
      await failed;
    });

    test("FORWARD, filter and priority reach the publisher, and `wants` follows them", async () => {
      const { client, track } = await publishing();
      const filter = { type: "absolute-range", start: { group: 2, object: 1 }, endGroup: 3 } as const;
      const subscription = await client.subscribe({ track: video, forward: false, filter }, nothing);
      expect(track()).toMatchObject({ forward: false, filter });
      expect(track().wants({ group: 2, object: 1 })).toBe(false);
      let told: unknown;
      track().onUpdate = (parameters) => {
        told = parameters;
      };
      await subscription.update({ forward: true });
      // Where an update has no answer (14), that it was sent is all there is to wait for.
      await settle();
      expect(told).toMatchObject({ forward: true });
      const wanted = [
        { group: 2, object: 0 },
        { group: 2, object: 1 },
        { group: 3, object: 9 },
        { group: 4, object: 0 },
      ].map((location) => track().wants(location));
      expect(wanted).toEqual([false, true, true, false]);
    });

    test("a stream that the publisher resets is told as incomplete, with its code, and harms nothing else", async () => {
      const { client, track } = await publishing();
      const { sink, objects } = recorder();
      const errors: (CountersignError | undefined)[] = [];
      await client.subscribe({ track: video }, { ...sink, streamEnd: (end) => errors.push(end.error) });
      const broken = await track().openSubgroup({ group: 0, ...subgroup });
      await broken.write(object(0, 0));
      await settle();
      broken.reset(streamResets["delivery-timeout"]);
      await settle();
      expect(errors).toMatchObject([
        { code: "stream-reset", protocolCode: streamResets["delivery-timeout"] },
      ]);
      const next = await track().openSubgroup({ group: 1, ...subgroup });
      await next.write(object(1, 0));
      await settle();
      expect(objects).toHaveLength(2);
    });

    test("done() resets what was left open and counts every stream", async () => {
      const { client, track } = await publishing();
      const { sink, ends } = recorder();
      const subscription = await client.subscribe({ track: video }, sink);
      const open = await track().openSubgroup({ group: 0, ...subgroup });
      await open.write(object(0, 0));
      await settle();
      await track().done(2, "");
      expect((await subscription.ended).reason).toBe("track-ended");
      expect(ends).toEqual(["0 stream-reset"]);
    });

    test("a sink that throws loses its stream; the session and its other streams go on", async () => {
      const { client, track } = await publishing();
      let calls = 0;
      const subscription = await client.subscribe(
        { track: video },
        {
          object: () => {
            calls++;
            if (calls === 1) throw new Error("a fault of the application");
          },
        },
      );
      await publishGroups(track(), 2, 1);
      expect((await subscription.ended).reason).toBe("track-ended");
      expect(calls).toBe(2);
    });

    test("objects that the sink does not accept are not handed over", async () => {
      const { client, track } = await publishing();
      const { sink, objects } = recorder();
      const subscription = await client.subscribe(
        { track: video },
        { ...sink, accept: (start) => start.object !== 1 },
      );
      await publishGroups(track(), 1, 3);
      await subscription.ended;
      expect(objects.map((line) => line.split(":")[0])).toEqual(["0/0", "0/2"]);
    });

    test("a sink that holds back stops the reading, and in the end the writer", async () => {
      const { client, track } = await publishing({ wire: { windowBytes: 50_000 } });
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const { sink, objects } = recorder();
      const subscription = await client.subscribe({ track: video }, { ...sink, ready: () => held });
      const publishingAll = publishGroups(track(), 1, 50, 10_000);
      await settle();
      expect(objects.length).toBeLessThan(10);
      release();
      await publishingAll;
      await subscription.ended;
      expect(objects).toHaveLength(50);
    });

    test("an object over the limit refuses its stream only", async () => {
      const { client, track } = await publishing({ settings: { maxObjectBytes: 1000 } });
      const { sink, ends } = recorder();
      const subscription = await client.subscribe({ track: video }, sink);
      const writer = await track().openSubgroup({ group: 0, ...subgroup });
      writer.write(object(0, 0, 5000)).catch(() => undefined);
      await settle();
      expect(ends).toEqual(["0 limit-exceeded"]);
      await publishGroups(track(), 1, 1);
      expect((await subscription.ended).reason).toBe("track-ended");
    });

    test("datagrams reach the sink", async () => {
      const { client, track } = await publishing();
      const { sink, objects } = recorder();
      await client.subscribe({ track: video }, sink);
      track().sendDatagram({ ...object(3, 1), subgroup: undefined }, false);
      track().sendDatagram({ ...object(3, 2, 5000), subgroup: undefined }, false);
      await settle();
      expect(objects).toEqual(["3/1:100:49"]);
    });
  });

  describe("fetches", () => {
    test("a fetch in descending order is decoded as it was asked for", async () => {
      const { client } = await pair({
        fetch: async (request) => {
          const writer = await request.accept({ end: request.end, endOfTrack: true });
          for (const group of [5, 4, 1]) await writer.write(object(group, 0));
          if (!tellsUnknown) await writer.close();
          else {
            await writer.gap({ kind: "unknown", group: 0, object: 3 });
            await writer.close();
          }
        },
      });
      const { sink, objects } = recorder();
      const gaps: unknown[] = [];
      const result = await client.fetch(
        { track: video, start: { group: 0, object: 0 }, end: { group: 5 }, groupOrder: "descending" },
        { ...sink, gap: (gap) => gaps.push(gap) },
      );
      expect(result).toEqual({ end: { group: 5 }, endOfTrack: true });
      expect(objects.map((line) => line.split(":")[0])).toEqual(["5/0", "4/0", "1/0"]);
      expect(gaps).toEqual(tellsUnknown ? [{ kind: "unknown", group: 0, object: 3 }] : []);
    });

    test("what is unknown to the publisher is told, or fails the fetch where the draft cannot say it", async () => {
      const { client } = await pair({
        fetch: async (request) => {
          const writer = await request.accept({ end: request.end, endOfTrack: false });
          await writer.write(object(0, 0));
          // Up to the end of the group, whatever the draft's largest id.
          await writer.gap({ kind: "unknown", group: 0, object: MAX_VARINT }).catch(() => undefined);
          await writer.close().catch(() => undefined);
        },
      });
      const { sink, objects } = recorder();
      const gaps: FetchGap[] = [];
      const range = { start: { group: 0, object: 0 }, end: { group: 0 } };
      const fetching = client.fetch({ track: video, ...range }, { ...sink, gap: (gap) => gaps.push(gap) });
      if (tellsUnknown) {
        await fetching;
        expect(gaps).toMatchObject([{ kind: "unknown", group: 0 }]);
        expect(gaps[0]!.object >= MAX_QUIC_VARINT).toBe(true);
      } else {
        await expect(fetching).rejects.toMatchObject({
          code: "stream-reset",
          protocolCode: streamResets["unknown-object-status"],
        });
      }
      expect(objects).toEqual(["0/0:100:0"]);
    });

    test("a stream that breaks off fails the fetch; what came before stays good", async () => {
      const { client } = await pair({
        fetch: async (request) => {
          const writer = await request.accept({ end: request.end, endOfTrack: false });
          await writer.write(object(1, 0));
          await settle();
          writer.reset(streamResets["unknown-object-status"]);
        },
      });
      const { sink, objects } = recorder();
      const fetching = client.fetch(
        { track: video, start: { group: 1, object: 0 }, end: { group: 2 } },
        sink,
      );
      await expect(fetching).rejects.toMatchObject({ code: "stream-reset" });
      expect(objects).toHaveLength(1);
    });

    test("an abort cancels it at the publisher too", async () => {
      let cancelled: Promise<void> | undefined;
      let writing: Promise<void> | undefined;
      const { client } = await pair({
        fetch: async (request) => {
          const writer = await request.accept({ end: request.end, endOfTrack: false });
          cancelled = writer.cancelled;
          await writer.write(object(1, 0));
          await cancelled;
          writing = writer.write(object(1, 1));
          writing.catch(() => undefined);
        },
      });
      const controller = new AbortController();
      const options = {
        track: video,
        start: { group: 1, object: 0 },
        end: { group: 2 },
        signal: controller.signal,
      };
      const fetching = client.fetch(options, nothing);
      await settle();
      controller.abort(new Error("seeked away"));
      await expect(fetching).rejects.toThrow("seeked away");
      await settle();
      await expect(writing).rejects.toMatchObject({ code: "stream-reset" });
    });
  });

  describe("namespaces and offers", () => {
    test("announcements, discovery and withdrawal reach the other side", async () => {
      let withdrawn = false;
      const { client } = await pair({
        publishNamespace(request) {
          request.accept();
          void request.withdrawn.then(() => {
            withdrawn = true;
          });
        },
        subscribeNamespace(request) {
          const answer = request.accept();
          answer.add(namespaceOf("live"));
          answer.remove(namespaceOf("live"));
          answer.add(namespaceOf("late"));
        },
      });
      const announced = await client.publishNamespace(broadcast);
      announced.withdraw();
      await announced.ended;
      const seen: string[] = [];
      const listening = await client.subscribeNamespace(namespaceOf("example.com"), {
        added: (namespace) => seen.push(`+${namespace.length}`),
        removed: (namespace) => seen.push(`-${namespace.length}`),
      });
      await settle();
      expect(withdrawn).toBe(true);
      expect(seen).toEqual(["+2", "-2", "+2"]);
      listening.cancel();
      await listening.ended;
      expect(seen.at(-1)).toBe("-2");
    });

    test("a track that was offered by PUBLISH delivers to the side that accepted it", async () => {
      const { sink, objects } = recorder();
      const { client } = await pair({ publish: (request) => request.accept(sink) });
      const track = await client.publish(upload, {});
      await publishGroups(track, 1, 2);
      await settle();
      expect(objects).toEqual(["0/0:100:0", "0/1:100:1"]);
    });
  });

  describe("the end", () => {
    test("GOAWAY is told once, and no request goes out after it", async () => {
      const { client, server } = await publishing();
      const told: unknown[] = [];
      client.onGoaway = (goaway) => told.push(goaway);
      server.goaway("https://other.test/", 1000);
      await settle();
      // Drafts up to 16 have no timeout there.
      expect(told).toEqual([{ newUri: "https://other.test/", timeoutMs: requestStreams ? 1000 : 0 }]);
      await expect(client.subscribe({ track: video }, nothing)).rejects.toMatchObject({
        code: "session-going-away",
      });
      expect(() => client.goaway("https://elsewhere.test/", 0)).toThrow(CountersignError);
    });

    test("after close() nothing is pending on either side", async () => {
      const { client, server, clock, track } = await publishing();
      const subscription = await client.subscribe({ track: video }, nothing);
      const writer: SubgroupWriter = await track().openSubgroup({ group: 0, ...subgroup });
      const never = client.fetch(
        { track: video, start: { group: 0, object: 0 }, end: { group: 1 } },
        nothing,
      );
      never.catch(() => undefined);
      client.close(0, "bye");
      expect(await client.closed).toEqual({ error: undefined, byUs: true });
      expect(await server.closed).toEqual({ error: undefined, byUs: false });
      expect(await subscription.ended).toMatchObject({ reason: "error", error: { code: "session-closed" } });
      await expect(never).rejects.toBeInstanceOf(CountersignError);
      await expect(writer.write(object(0, 0))).rejects.toBeInstanceOf(CountersignError);
      await track().cancelled;
      await settle();
      expect(clock.pending).toBe(0);
      await expect(client.trackStatus(video)).rejects.toMatchObject({ code: "session-closed" });
    });

    test("the code with which a peer closes is told with its name", async () => {
      const { client, server } = await pair({});
      server.close(0x2, "who are you");
      const { error, byUs } = await client.closed;
      expect(byUs).toBe(false);
      expect(error).toMatchObject({ code: "session-closed", protocolCode: 0x2 });
      expect(error?.message).toContain("unauthorized");
    });

    test("a lost connection ends everything with session-closed", async () => {
      const { client, wire } = await publishing();
      const subscription = await client.subscribe({ track: video }, nothing);
      wire.lose();
      expect((await client.closed).error).toMatchObject({ code: "session-closed" });
      expect((await subscription.ended).error?.code).toBe("session-closed");
    });
  });
});
