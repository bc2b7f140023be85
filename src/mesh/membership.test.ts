import { describe, expect, it } from "vitest";
import { FakeClock } from "../testing/fake-clock.ts";
import { namespaceOf } from "../wire/names.ts";
import { BoardHub, type HubLink } from "./board-hub.fixture.ts";
import { MEMBER_TTL_MS, type Membership } from "./membership.ts";
import { MemoryRoster } from "./memory-membership.ts";
import { MEMBERS_PREFIX, NamespaceMembership } from "./namespace-membership.ts";
import type { Member } from "./rendezvous.ts";

interface World {
  readonly clock: FakeClock;
  join(member: Member): { readonly membership: Membership; crash(): void };
}

function inMemory(): World {
  const clock = new FakeClock(1_000);
  const roster = new MemoryRoster({ clock });
  return {
    clock,
    join: (member) => {
      const membership = roster.join(member);
      return { membership, crash: () => membership.crash() };
    },
  };
}

function overRelay(): World {
  const clock = new FakeClock(1_000);
  const hub = new BoardHub();
  return {
    clock,
    join: (self) => {
      const membership = new NamespaceMembership({ clock, self });
      const link = hub.link();
      membership.attach(link);
      return { membership, crash: () => link.lose() };
    },
  };
}

const idsOf = (live: readonly Member[]): string => live.map(({ id }) => id).join(" ");

describe.each([
  ["in memory", inMemory],
  ["over namespaces of a relay", overRelay],
])("members %s", (_, make) => {
  it("see each other, sorted by id, with their weights", async () => {
    const { clock, join } = make();
    const c = join({ id: "c" });
    const a = join({ id: "a", weight: 2.5 });
    join({ id: "b" });
    await clock.run(0);
    expect(idsOf(a.membership.live())).toBe("a b c");
    expect(idsOf(c.membership.live())).toBe("a b c");
    expect(c.membership.live()[0]?.weight).toBe(2.5);
  });

  it("stay for as long as they live", async () => {
    const { clock, join } = make();
    const a = join({ id: "a" });
    join({ id: "b" });
    await clock.run(10 * MEMBER_TTL_MS);
    expect(idsOf(a.membership.live())).toBe("a b");
  });

  it("are missed at once when they leave, and within the TTL when they die", async () => {
    const { clock, join } = make();
    const a = join({ id: "a" });
    const b = join({ id: "b" });
    const c = join({ id: "c" });
    await clock.run(0);
    const heard: string[] = [];
    a.membership.on("changed", (live) => heard.push(idsOf(live)));
    b.membership.leave();
    b.membership.leave();
    await clock.run(0);
    expect(heard).toEqual(["a c"]);
    c.crash();
    await clock.run(MEMBER_TTL_MS);
    expect(heard).toEqual(["a c", "a"]);
  });

  it("come back under their name after a crash", async () => {
    const { clock, join } = make();
    const a = join({ id: "a" });
    join({ id: "b" }).crash();
    await clock.run(MEMBER_TTL_MS);
    join({ id: "b", weight: 3 });
    await clock.run(0);
    expect(a.membership.live()).toEqual([expect.objectContaining({ id: "a" }), { id: "b", weight: 3 }]);
  });
});

it("keeps what it knew for the TTL when its own link is lost, so that a reconnect moves nothing", async () => {
  const clock = new FakeClock(1_000);
  const hub = new BoardHub();
  const a = new NamespaceMembership({ clock, self: { id: "a" } });
  const b = new NamespaceMembership({ clock, self: { id: "b" } });
  b.attach(hub.link());
  const heard: string[] = [];
  const lost = hub.link();
  a.attach(lost);
  await clock.run(0);
  a.on("changed", (live) => heard.push(idsOf(live)));
  lost.lose();
  await clock.run(MEMBER_TTL_MS - 1);
  expect(idsOf(a.live())).toBe("a b");
  a.attach(hub.link());
  await clock.run(10 * MEMBER_TTL_MS);
  expect(heard).toEqual([]);
});

it("loses the others, and only them, when its link stays lost for the TTL", async () => {
  const clock = new FakeClock(1_000);
  const hub = new BoardHub();
  const a = new NamespaceMembership({ clock, self: { id: "a" } });
  new NamespaceMembership({ clock, self: { id: "b" } }).attach(hub.link());
  const link: HubLink = hub.link();
  a.attach(link);
  await clock.run(0);
  link.lose();
  await clock.run(MEMBER_TTL_MS);
  expect(idsOf(a.live())).toBe("a");
});

it("counts a member once that several relays tell of, and keeps it while one does", async () => {
  const clock = new FakeClock(1_000);
  const hubs = [new BoardHub(), new BoardHub()];
  const a = new NamespaceMembership({ clock });
  const b = new NamespaceMembership({ clock, self: { id: "b" } });
  const links = hubs.map((hub) => {
    a.attach(hub.link());
    const link = hub.link();
    b.attach(link);
    return link;
  });
  await clock.run(0);
  expect(idsOf(a.live())).toBe("b");
  links[0]?.lose();
  await clock.run(MEMBER_TTL_MS);
  expect(idsOf(a.live())).toBe("b");
});

it("asks again when a relay refuses, and does not take what is no member for one", async () => {
  const clock = new FakeClock(1_000);
  const hub = new BoardHub();
  hub.refusing = true;
  const a = new NamespaceMembership({ clock, self: { id: "a" } });
  a.attach(hub.link());
  await clock.run(0);
  hub.refusing = false;
  const stranger = hub.link();
  for (const suffix of [["x"], ["x", "heavy"], ["x", "-1"], ["x", "1", "y"]]) {
    void stranger.publishNamespace([...MEMBERS_PREFIX, ...namespaceOf(...suffix)]);
  }
  await clock.run(5_000);
  expect(hub.announced).toContain("countersign.2dmesh-members-a-1");
  expect(idsOf(a.live())).toBe("a");
});
