/** Scenarios of FETCH and TRACK_STATUS: what a relay gives of what it has forwarded already. */
import { fetchingByGroup } from "../../src/transport/groupwise-fetch.ts";
import { expectSame, expectThat, type Scenario, type Stage, where } from "./scenario.ts";
import { groupPlaces } from "./test-publisher.ts";
import { Watcher } from "./watcher.ts";

const TRACK = "video";

/** A publisher and a subscriber with groups 0, 1 and 2 through the relay, so that it may have them at hand. */
async function warmed(stage: Stage) {
  const { publisher } = await stage.publisher();
  const track = publisher.track(TRACK);
  const subscriber = await stage.connect();
  const watcher = new Watcher();
  const subscription = await subscriber.subscribe({ track }, watcher);
  for (const group of [0, 1, 2]) publisher.putGroup(TRACK, group);
  await watcher.until(...groupPlaces(0, 1, 2));
  return { publisher, track, subscriber, subscription };
}

const fetchOneGroup: Scenario = {
  name: "fetch, one group",
  async run(stage) {
    const { track, subscriber } = await warmed(stage);
    const fetched = new Watcher();
    await subscriber.fetch({ track, start: { group: 1, object: 0 }, end: { group: 1 } }, fetched);
    fetched.check(TRACK);
    expectSame(fetched.places, groupPlaces(1));
    return "the whole group";
  },
};

const fetchRange: Scenario = {
  name: "fetch, several groups",
  async run(stage) {
    const { track, subscriber } = await warmed(stage);
    const fetched = new Watcher();
    await subscriber.fetch({ track, start: { group: 0, object: 1 }, end: { group: 2, object: 0 } }, fetched);
    fetched.check(TRACK);
    expectSame(fetched.places, ["0/1", "0/2", ...groupPlaces(1), "2/0"]);
    return "0/1 to 2/0";
  },
};

const joiningFetch: Scenario = {
  name: "joining fetch",
  async run(stage) {
    const { publisher, track } = await warmed(stage);
    const joined = await stage.connect();
    const live = new Watcher();
    const subscription = await joined.subscribe({ track, filter: { type: "largest-object" } }, live);
    const fetched = new Watcher();
    await joined.joiningFetch({ subscription, start: { relative: 1 } }, fetched);
    publisher.putGroup(TRACK, 3);
    await live.until(...groupPlaces(3));
    fetched.check(TRACK);
    expectSame(fetched.places, groupPlaces(1, 2));
    return "the group before, and all up to the largest";
  },
};

/** As the player's dialer does it: a fetch that the relay does not support is asked again group by group. */
const playersFetches: Scenario = {
  name: "joining fetch and several groups, as the player asks",
  async run(stage) {
    const { track, subscriber, subscription } = await warmed(stage);
    const player = fetchingByGroup(subscriber);
    const fetched = new Watcher();
    await player.fetch({ track, start: { group: 0, object: 1 }, end: { group: 2, object: 0 } }, fetched);
    fetched.check(TRACK);
    expectSame(fetched.places, ["0/1", "0/2", ...groupPlaces(1), "2/0"]);
    // The subscription that is joined must have begun with something published.
    subscription.cancel();
    const viewer = fetchingByGroup(await stage.connect());
    const late = await viewer.subscribe({ track, filter: { type: "largest-object" } }, new Watcher());
    const joined = new Watcher();
    await viewer.joiningFetch({ subscription: late, start: { relative: 1 } }, joined);
    joined.check(TRACK);
    expectSame(joined.places, groupPlaces(1, 2));
    return "all of both, group by group where the relay wants it so";
  },
};

const trackStatus: Scenario = {
  name: "track status",
  async run(stage) {
    const { track, subscriber } = await warmed(stage);
    const { largest } = await subscriber.trackStatus(track);
    expectThat(largest?.group === 2, `It says that the largest is ${where(largest)}.`);
    return `largest ${where(largest)}`;
  },
};

export const FETCH_SCENARIOS: readonly Scenario[] = [
  fetchOneGroup,
  fetchRange,
  joiningFetch,
  playersFetches,
  trackStatus,
];
