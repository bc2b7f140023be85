/** Whole connections over the in-memory transport: two good ends with faults between them, and one good end with a hostile peer. */
import { MAX_UNKNOWN_ALIAS_BYTES, MAX_UNKNOWN_ALIAS_STREAMS } from "../../session/limits.ts";
import { loadMachine } from "../../session/machine.ts";
import { accept, connect, servingWith } from "../../transport/connect.ts";
import type { Connection } from "../../transport/connection.ts";
import { Driver } from "../../transport/driver.ts";
import { MAX_OBJECT_BYTES, REQUEST_TIMEOUT_MS, SETUP_TIMEOUT_MS } from "../../transport/limits.ts";
import { connectionOver } from "../../transport/open-connection.ts";
import type { MoqtCodec } from "../../wire/codec.ts";
import { everyCodec } from "../../wire/every-codec.ts";
import { namespaceOf, trackOf } from "../../wire/names.ts";
import { supportedVersions } from "../../wire/registry.ts";
import { relayHandlers, runScenario } from "../conversation.ts";
import { FakeClock, settle } from "../fake-clock.ts";
import type { StreamFault } from "../memory-pipe.ts";
import { type Faults, memoryTransport, type StreamOfFault } from "../memory-transport.ts";
import type { Chance } from "./chance.ts";
import type { FuzzTarget } from "./engine.ts";
import { HostilePeer } from "./hostile-peer.ts";
import { HostileSharedPeer } from "./hostile-shared-peer.ts";
import { demand } from "./judge.ts";

/** Turns of the clock, 5 s each: above the sum of all timeouts there are, one after the other. */
const TURNS = 30;
const TURN_MS = 5_000;

/** Promises handed out by a connection, and how many of them are still open. */
class Promises {
  pending = 0;

  readonly watch = (promise: Promise<unknown>): void => {
    this.pending++;
    const done = () => {
      this.pending--;
    };
    promise.then(done, done);
  };
}

function randomFaults(chance: Chance): Faults {
  const chunking = chance.pick([
    "as-written",
    "one-byte",
    "coalesced",
    { seed: chance.below(1e6), max: 50 },
  ] as const);
  const hits = chance.list(3, () => ({
    kind: chance.pick(["unidirectional", "bidirectional"] as const),
    openedBy: chance.pick(["client", "server"] as const),
    sender: chance.pick(["client", "server"] as const),
    index: chance.below(9),
    fault: {
      at: chance.below(chance.maybe() ? 16 : 900),
      action: chance.pick(["reset", "fin", "stall", "lose", "corrupt", "corrupt", "corrupt"] as const),
      code: chance.below(256),
    } satisfies StreamFault,
  }));
  const matches = (stream: StreamOfFault) =>
    hits.find(
      (hit) =>
        hit.kind === stream.kind &&
        hit.openedBy === stream.openedBy &&
        hit.sender === stream.sender &&
        hit.index === stream.index,
    )?.fault;
  return { chunking, stream: matches, delayMs: chance.pick([0, 0, 15]), loseDatagram: 2 + chance.below(4) };
}

// Loaded before any clock runs: a fake one does not wait for modules.
await Promise.all(everyCodec.map(({ capabilities }) => loadMachine(capabilities)));

const conversation: FuzzTarget = {
  name: "conversation over faults",
  weight: 4,
  async run(chance) {
    const clock = new FakeClock();
    const versions = [chance.pick(supportedVersions)];
    const faults = randomFaults(chance);
    const wire = memoryTransport({ clock, faults, windowBytes: chance.pick([300, 4_096, 262_144]) });
    const promises = new Promises();
    let server: Connection | undefined;
    const accepting = accept(
      wire.server,
      { clock, versions },
      relayHandlers(promises.watch, () => server!),
    ).then((accepted) => {
      server = accepted;
      promises.watch(accepted.closed);
    });
    promises.watch(accepting);
    const playing = connect(() => Promise.resolve(wire.client), {
      url: "https://relay.test/",
      clock,
      versions,
    }).then(async (client) => {
      promises.watch(client.closed);
      await runScenario(client, promises.watch);
      client.close();
    });
    promises.watch(playing);
    for (let turn = 0; turn < TURNS && (promises.pending > 0 || clock.pending > 0); turn++)
      await clock.run(TURN_MS);
    wire.lose();
    await clock.run(0);
    demand(promises.pending === 0, `${promises.pending} promises are left hanging`);
    demand(clock.pending === 0, `${clock.pending} timers are left running`);
  },
};

const TRACKS = [trackOf(namespaceOf("a"), "v"), trackOf(namespaceOf("a", "b"), "w")];

/** What an application does while its peer misbehaves. */
function useConnection(chance: Chance, connection: Connection, { watch }: Promises): void {
  const track = chance.pick(TRACKS);
  const sink = { object: () => undefined, accept: () => chance.maybe(0.9) };
  const start = { group: chance.below(3), object: chance.below(3) };
  switch (chance.below(10)) {
    case 0:
    case 1:
    case 2: {
      const subscribing = connection.subscribe({ track }, sink);
      watch(subscribing);
      const using = subscribing.then((subscription) => {
        watch(subscription.ended);
        if (chance.maybe()) watch(subscription.update({ forward: chance.maybe() }));
        if (chance.maybe(0.3))
          watch(connection.joiningFetch({ subscription, start: { relative: chance.below(3) } }, sink));
        if (chance.maybe(0.2)) subscription.cancel();
      });
      watch(using);
      return;
    }
    case 3:
    case 4:
      watch(
        connection.fetch(
          { track, start, end: { group: 5 }, groupOrder: chance.pick(["ascending", "descending"]) },
          sink,
        ),
      );
      return;
    case 5:
      watch(connection.trackStatus(track));
      return;
    case 6:
      watch(connection.publishNamespace(namespaceOf("a")).then((announced) => watch(announced.ended)));
      return;
    case 7: {
      const listener = { added: () => undefined, removed: () => undefined };
      watch(connection.subscribeNamespace(namespaceOf("a"), listener).then((asked) => watch(asked.ended)));
      return;
    }
    case 8:
      watch(connection.publish(track, {}).then((published) => watch(published.cancelled)));
      return;
    default:
      if (chance.maybe(0.2)) connection.close();
      else if (chance.maybe(0.3)) connection.goaway("", chance.below(2_000));
      else watch(connection.subscribeTracks(namespaceOf("a")).then((asked) => watch(asked.ended)));
  }
}

async function hostile(codec: MoqtCodec): Promise<FuzzTarget> {
  const machine = await loadMachine(codec.capabilities);
  return {
    name: `${codec.version} hostile peer`,
    weight: 8,
    async run(chance) {
      const role = chance.pick(["client", "server"] as const);
      const clock = new FakeClock();
      const wire = memoryTransport({
        clock,
        faults: { chunking: chance.pick(["as-written", "one-byte", "coalesced"]) },
        windowBytes: chance.pick([200, 262_144]),
      });
      const promises = new Promises();
      let connection: Connection | undefined;
      const serving = servingWith(relayHandlers(promises.watch, () => connection!));
      const driver = new Driver(role === "client" ? wire.client : wire.server, {
        role,
        codec,
        machine,
        clock,
        serving,
        setupTimeoutMs: SETUP_TIMEOUT_MS,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
        maxObjectBytes: MAX_OBJECT_BYTES,
        implementation: "",
      });
      promises.watch(driver.closed);
      const starting = driver.start();
      promises.watch(starting);
      starting.then(
        (setup) => {
          connection = connectionOver(driver, "https://relay.test/", setup, serving);
        },
        () => undefined,
      );
      const port = role === "client" ? wire.server : wire.client;
      const peer = codec.shared
        ? new HostileSharedPeer(chance, port, codec, codec.shared, role)
        : new HostilePeer(chance, port, codec, role);
      // A control stream may be the other side's to open, which takes its time.
      const begun = peer.begin();
      if (!codec.shared) await begun;
      promises.watch(begun);
      for (let steps = chance.below(25); steps > 0; steps--) {
        if (connection && chance.maybe(0.3)) useConnection(chance, connection, promises);
        else await peer.act();
        if (chance.maybe(0.6)) await settle();
        if (chance.maybe(0.1)) await clock.run(chance.below(3_000));
        const { streams, bytes } = driver.unknownAliases;
        demand(streams <= MAX_UNKNOWN_ALIAS_STREAMS, `${streams} streams wait for their alias`);
        demand(bytes <= MAX_UNKNOWN_ALIAS_BYTES, `${bytes} bytes wait for their alias`);
      }
      // The end may come at once, or after all timeouts.
      for (let turns = chance.pick([0, 0, 1, 4]); turns > 0; turns--) await clock.run(TURN_MS);
      wire.lose();
      await clock.run(0);
      demand(promises.pending === 0, `${promises.pending} promises are left hanging`);
      demand(clock.pending === 0, `${clock.pending} timers are left running`);
      demand(driver.session.openRequests === 0, "requests are left");
      demand(driver.unknownAliases.streams === 0, "streams still wait for their alias");
    },
  };
}

export const transportTargets: readonly FuzzTarget[] = [
  conversation,
  ...(await Promise.all(everyCodec.map(hostile))),
];
