/** The protocol scenarios: our client and publisher with somebody else's relay between them. */
import { CountersignError } from "../../src/errors.ts";
import type { Goaway } from "../../src/transport/connection.ts";
import { trackOf } from "../../src/wire/names.ts";
import { supportedVersions } from "../../src/wire/registry.ts";
import { FETCH_SCENARIOS } from "./fetch-scenarios.ts";
import { expectSame, expectThat, FOREIGN_DRAFT, type Scenario, where } from "./scenario.ts";
import { GROUP_OBJECTS, groupPlaces } from "./test-publisher.ts";
import { Watcher } from "./watcher.ts";

const TRACK = "video";
/** How long nothing must come where nothing should. A relay on loopback forwards within milliseconds, and a witness shows that it did. */
const QUIET_MS = 400;
const WAIT_MS = 10_000;

const setUp: Scenario = {
  name: "set-up",
  async run(stage) {
    const connection = await stage.connect();
    expectThat(connection.version === stage.draft, `It chose ${connection.version}.`);
    const end = connection.closed;
    connection.close();
    const { error } = await end;
    expectThat(error === undefined, `The session ended with ${error?.message}`);
    return connection.peerImplementation === undefined
      ? "it does not say who it is"
      : `it is "${connection.peerImplementation}"`;
  },
};

const chosenDraft: Scenario = {
  name: "the relay chooses the draft",
  skip: ({ name, restricts }) => (restricts ? undefined : `${name} cannot be restricted to one draft`),
  async run(stage) {
    const relay = await stage.startRelay({ onlyDraft: Number(stage.draft.slice("moqt-".length)) });
    // Ours comes last: without negotiation another would be spoken.
    const others = supportedVersions.filter((version) => version !== stage.draft);
    const connection = await stage.connect({}, relay, [...others, stage.draft]);
    expectThat(connection.version === stage.draft, `It chose ${connection.version}.`);
    return `offered ${[...others, stage.draft].join(", ")}`;
  },
};

const noCommonDraft: Scenario = {
  name: "a relay that speaks none of our drafts",
  skip: ({ name, restricts }) => (restricts ? undefined : `${name} cannot be restricted to one draft`),
  async run(stage) {
    const relay = await stage.startRelay({ onlyDraft: FOREIGN_DRAFT });
    try {
      await stage.connect({}, relay, supportedVersions);
    } catch (thrown) {
      if (!(thrown instanceof CountersignError)) throw thrown;
      return `${thrown.code}: ${thrown.message}`;
    }
    throw new Error("It opened a session all the same.");
  },
};

const publishAndSubscribe: Scenario = {
  name: "publish and subscribe",
  async run(stage) {
    const { publisher } = await stage.publisher();
    const track = publisher.track(TRACK);
    const subscriber = await stage.connect();
    const watcher = new Watcher();
    await subscriber.subscribe({ track }, watcher);
    for (const group of [0, 1, 2]) {
      publisher.putGroup(TRACK, group);
      await watcher.until(...groupPlaces(group));
    }
    watcher.check(TRACK);
    return `${watcher.objects.length} objects, each once and right`;
  },
};

const otherDrafts: Scenario = {
  name: "publish in this draft, subscribe in the others",
  skip: ({ name, drafts }) =>
    drafts.filter((draft) => supportedVersions.includes(draft)).length > 1
      ? undefined
      : `${name} and we have one draft in common`,
  async run(stage) {
    const { publisher } = await stage.publisher();
    const track = publisher.track(TRACK);
    const others = supportedVersions.filter(
      (draft) => draft !== stage.draft && stage.peer.drafts.includes(draft),
    );
    const watchers: Watcher[] = [];
    for (const draft of others) {
      const subscriber = await stage.connect({}, stage.relay, [draft]);
      const watcher = new Watcher();
      watchers.push(watcher);
      await subscriber.subscribe({ track }, watcher);
    }
    for (const group of [0, 1]) publisher.putGroup(TRACK, group);
    for (const watcher of watchers) {
      await watcher.until(...groupPlaces(0, 1));
      watcher.check(TRACK);
    }
    return `the same bytes in ${others.join(", ")}`;
  },
};

const lateSubscriber: Scenario = {
  name: "late subscriber",
  async run(stage) {
    const { publisher } = await stage.publisher();
    const track = publisher.track(TRACK);
    const early = new Watcher();
    await (await stage.connect()).subscribe({ track }, early);
    publisher.putGroup(TRACK, 0);
    publisher.put(TRACK, 1, 0);
    await early.until(...groupPlaces(0), "1/0");
    const late = new Watcher();
    const subscription = await (await stage.connect()).subscribe(
      { track, filter: { type: "largest-object" } },
      late,
    );
    const { largest } = subscription;
    expectThat(
      largest?.group === 1 && largest.object === 0,
      `It says that the largest is ${where(largest)}.`,
    );
    publisher.put(TRACK, 1, 1);
    publisher.put(TRACK, 1, 2);
    publisher.putGroup(TRACK, 2);
    await late.until("1/1", "1/2", ...groupPlaces(2));
    late.check(TRACK);
    expectThat(!late.has("0/0") && !late.has("1/0"), `It sent what was before: ${late.places.join(" ")}.`);
    return "from the object after the largest on";
  },
};

const namespaces: Scenario = {
  name: "namespace discovery and withdrawal",
  async run(stage) {
    const subscriber = await stage.connect();
    const seen: string[] = [];
    const waiting = new Set<() => void>();
    const note = (what: string) => (): void => {
      seen.push(what);
      for (const look of [...waiting]) look();
    };
    const until = (count: number) =>
      within(
        new Promise<void>((resolve) => {
          const look = (): void => {
            if (seen.length >= count) resolve();
          };
          waiting.add(look);
          look();
        }),
        () => `Only these came: ${seen.join(", ") || "none"}.`,
      );
    await subscriber.subscribeNamespace(stage.namespace.slice(0, 2), {
      added: note("added"),
      removed: note("removed"),
    });
    const first = await stage.connect();
    const announced = await first.publishNamespace(stage.namespace);
    await until(1);
    announced.withdraw();
    await until(2);
    const second = await stage.connect();
    await second.publishNamespace(stage.namespace);
    await until(3);
    second.close();
    await until(4);
    expectSame(seen, ["added", "removed", "added", "removed"]);
    return "told of both, and of a publisher that went";
  },
};

const subscribeError: Scenario = {
  name: "subscribe error",
  async run(stage) {
    const { publisher } = await stage.publisher();
    const subscriber = await stage.connect();
    const words: string[] = [];
    const stranger = trackOf([...stage.namespace, new TextEncoder().encode("nobody")], TRACK);
    for (const track of [trackOf(publisher.namespace, "no-such-track"), stranger]) {
      try {
        const subscription = await subscriber.subscribe({ track }, new Watcher());
        // Some relays accept at once and end it when the publisher refuses.
        const end = await within(subscription.ended, () => "It was accepted, and never ended.");
        words.push(`accepted, then ended: ${end.reason}`);
      } catch (thrown) {
        if (!(thrown instanceof CountersignError) || thrown.code !== "request-rejected") throw thrown;
        words.push(thrown.message.replace(/^The peer refused /, ""));
      }
    }
    return [...new Set(words)].join(" / ");
  },
};

const forward: Scenario = {
  name: "update with forward 0 and 1",
  async run(stage) {
    const { publisher } = await stage.publisher();
    const track = publisher.track(TRACK);
    const witness = new Watcher();
    await (await stage.connect()).subscribe({ track }, witness);
    const watcher = new Watcher();
    const subscription = await (await stage.connect()).subscribe({ track, forward: false }, watcher);
    const quietly = async (group: number, what: string): Promise<void> => {
      publisher.putGroup(TRACK, group);
      await witness.until(...groupPlaces(group));
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      expectThat(!groupPlaces(group).some((place) => watcher.has(place)), what);
    };
    await quietly(0, "Objects came though FORWARD was 0.");
    await subscription.update({ forward: true });
    publisher.putGroup(TRACK, 1);
    await watcher.until(...groupPlaces(1));
    await subscription.update({ forward: false });
    await quietly(2, "Objects came after an update to FORWARD 0.");
    await subscription.update({ forward: true });
    publisher.putGroup(TRACK, 3);
    await watcher.until(...groupPlaces(3));
    watcher.check(TRACK);
    return "stopped and resumed at will";
  },
};

const twoPublishers: Scenario = {
  name: "two publishers of one track",
  async run(stage) {
    const first = await stage.publisher();
    const second = await stage.publisher();
    const track = first.publisher.track(TRACK);
    second.publisher.track(TRACK);
    const watcher = new Watcher();
    await (await stage.connect()).subscribe({ track }, watcher);
    const both = async (group: number): Promise<void> => {
      first.publisher.putGroup(TRACK, group);
      second.publisher.putGroup(TRACK, group);
      await watcher.until(...groupPlaces(group));
    };
    await both(0);
    await both(1);
    watcher.check(TRACK);
    first.connection.close();
    await first.connection.closed;
    // What the relay does in between is its own; from some group on the other publisher's objects must come.
    let group = 2;
    const arrived = watcher.when(
      () => watcher.objects.some((object) => Number(object.group) >= 2),
      "anything of the publisher that stayed",
    );
    const publishing = setInterval(() => second.publisher.putGroup(TRACK, group++), 200);
    try {
      await arrived;
    } finally {
      clearInterval(publishing);
    }
    watcher.check(TRACK);
    return "each object once; the subscription outlived one of them";
  },
};

const goneInMidGroup: Scenario = {
  name: "peer gone in mid-group",
  async run(stage) {
    const { publisher, connection } = await stage.publisher();
    const track = publisher.track(TRACK);
    const watcher = new Watcher();
    const subscription = await (await stage.connect()).subscribe({ track }, watcher);
    publisher.putGroup(TRACK, 0);
    publisher.put(TRACK, 1, 0);
    await watcher.until(...groupPlaces(0), "1/0");
    connection.close();
    const told = await within(
      Promise.race([
        subscription.ended.then(({ reason }) => `the subscription ends: ${reason}`),
        watcher
          .when(() => watcher.ends.some(({ group, complete }) => group === 1 && !complete), "the group's end")
          .then(() => "the group is cut, the subscription waits for another publisher"),
      ]),
      () => "Nobody told that the publisher had gone.",
    );
    watcher.check(TRACK);
    expectThat(
      !watcher.ends.some(({ group, complete }) => group === 1 && complete) ||
        watcher.has(`1/${GROUP_OBJECTS - 1}`),
      "A group that was cut short ended as if it were whole.",
    );
    return told;
  },
};

const goaway: Scenario = {
  name: "GOAWAY",
  skip: ({ name, goawayOn }) => (goawayOn === undefined ? `${name} cannot be made to send one` : undefined),
  async run(stage) {
    const relay = await stage.startRelay();
    const connection = await stage.connect({}, relay);
    const got = new Promise<Goaway>((resolve) => {
      connection.onGoaway = resolve;
    });
    const ended = connection.closed.then(({ error }) => {
      throw new Error(`The session ended without GOAWAY: ${error?.message ?? "closed"}`);
    });
    relay.signal(stage.peer.goawayOn ?? "SIGTERM");
    const { newUri, timeoutMs } = await within(Promise.race([got, ended]), () => "No GOAWAY came.");
    connection.close();
    return `to ${newUri === "" ? "the same address" : newUri}, within ${timeoutMs} ms`;
  },
};

const cluster: Scenario = {
  name: "cluster: publish at one node, subscribe at the other",
  skip: ({ name, clusters }) => (clusters ? undefined : `${name} has no clusters`),
  async run(stage) {
    const other = await stage.startRelay({ clusterWith: [stage.relay.url] });
    const { publisher } = await stage.publisher(stage.relay);
    const track = publisher.track(TRACK);
    const subscriber = await stage.connect({}, other);
    const watcher = new Watcher();
    // The news of a namespace takes its time from node to node.
    const end = Date.now() + WAIT_MS;
    for (;;) {
      try {
        await subscriber.subscribe({ track }, watcher);
        break;
      } catch (thrown) {
        if (Date.now() > end) throw thrown;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
    for (const group of [0, 1]) {
      publisher.putGroup(TRACK, group);
      await watcher.until(...groupPlaces(group));
    }
    watcher.check(TRACK);
    return `${watcher.objects.length} objects across two nodes`;
  },
};

async function within<T>(promise: Promise<T>, late: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(late())), WAIT_MS);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

export const PROTOCOL_SCENARIOS: readonly Scenario[] = [
  setUp,
  chosenDraft,
  noCommonDraft,
  publishAndSubscribe,
  otherDrafts,
  lateSubscriber,
  ...FETCH_SCENARIOS,
  namespaces,
  subscribeError,
  forward,
  twoPublishers,
  goneInMidGroup,
  goaway,
  cluster,
];
