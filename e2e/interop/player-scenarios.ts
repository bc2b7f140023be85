/** The whole player in Chromium: two relays that others wrote carry the chunks, a third the manifests, our signer and publishers feed them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium, type Page } from "playwright";
import { PeerProcess } from "../../demo/peers/cluster/peer-process.ts";
import { serveSources } from "../../demo/peers/page.ts";
import { launchOptions } from "../../scripts/browsers.ts";
import type { PlayerStats } from "../../src/index.ts";
import { generateSeed, importSeed } from "../../src/trust/keys.ts";
import { supportedVersions } from "../../src/wire/registry.ts";
import { DemoPage } from "../support/demo-page.ts";
import type { ForeignRelay } from "./foreign-relay.ts";
import { expectThat, FOREIGN_DRAFT, type RelayTwist, type Scenario, type Stage } from "./scenario.ts";
import { temporaryFolder } from "./temporary.ts";

const BROADCAST = "countersign/interop";
/** A page from Vite's sources takes seconds to load on a busy machine, and the first group must have begun. */
const LIVE_TIMEOUT_MS = 45_000;
const POLL_MS = 100;
/** With which a player says that it cannot come to terms with a peer. */
const CANNOT_TALK = ["version-unsupported", "connect-failed", "session-closed"];

const splitPlayer: Scenario = {
  name: "player in Chromium, split over two relays",
  async run(stage) {
    const show = await broadcastOver(stage, [stage.relay, await stage.startRelay()]);
    const demo = await play(stage, show.query({ draft: stage.draft }));
    await demo.waitForProgress(3);
    await everySourceCarries(demo, show.objects);
    const { objects, sources } = await demo.stats();
    expectThat(objects.rejected === 0, `${objects.rejected} objects were rejected.`);
    expectThat(objects.holes === 0, `${objects.holes} holes.`);
    const good = sources.map(({ kind, score }) => `${kind} ${score.good}`).join(", ");
    return `verified and live; good objects: ${good}`;
  },
};

const playerLosesRelay: Scenario = {
  name: "player in Chromium, one of its relays dies",
  async run(stage) {
    const mortal = await stage.startRelay();
    const show = await broadcastOver(stage, [stage.relay, mortal]);
    const demo = await play(stage, show.query({ draft: stage.draft }));
    await everySourceCarries(demo, show.objects);
    mortal.signal("SIGKILL");
    await mortal.exited;
    await demo.waitForProgress(6, 40_000);
    const { objects } = await demo.stats();
    expectThat(objects.rejected === 0, `${objects.rejected} objects were rejected.`);
    expectThat(objects.holes === 0, `${objects.holes} holes.`);
    return "the picture goes on without a hole";
  },
};

const negotiatingPlayer: Scenario = {
  name: "player in Chromium, the relay chooses the draft",
  skip: ({ name, restricts }) => (restricts ? undefined : `${name} cannot be restricted to one draft`),
  async run(stage) {
    const onlyDraft = Number(stage.draft.slice("moqt-".length));
    const relay = await stage.startRelay({ onlyDraft });
    const show = await broadcastOver(stage, [relay], { twist: { onlyDraft } });
    // Last the one that they speak: without WebTransport's `protocols` another would be spoken.
    const offered = [...supportedVersions.filter((version) => version !== stage.draft), stage.draft];
    const query = show.query({});
    for (const draft of offered) query.append("draft", draft);
    const demo = await play(stage, query);
    await demo.waitForProgress(2);
    return `offered ${offered.join(", ")}; plays`;
  },
};

const strangerToPlayer: Scenario = {
  name: "player in Chromium, a relay that speaks none of our drafts",
  skip: ({ name, restricts }) => (restricts ? undefined : `${name} cannot be restricted to one draft`),
  async run(stage) {
    const stranger = await stage.startRelay({ onlyDraft: FOREIGN_DRAFT });
    const { publicKey } = await importSeed(generateSeed());
    const page = await openDemo(
      stage,
      new URLSearchParams({
        broadcast: BROADCAST,
        objects: stranger.url,
        manifests: stranger.url,
        root: Buffer.from(publicKey).toString("hex"),
        hash: stranger.certificateHashHex,
      }),
    );
    const said = (): Promise<string> =>
      page.evaluate(() => globalThis.player?.error?.code ?? globalThis.player?.state ?? "nothing");
    await poll(LIVE_TIMEOUT_MS, async () => CANNOT_TALK.includes(await said()), said);
    const sources = await page.evaluate(() =>
      globalThis.player?.stats?.sources.map(({ state, error }) => `${state} ${error?.code ?? ""}`),
    );
    return `the page says ${await said()}; of its source: ${[...new Set(sources)].join(", ") || "nothing"}`;
  },
};

const clusterPlayer: Scenario = {
  name: "cluster: publish at one node, play from the other",
  skip: ({ name, clusters }) => (clusters ? undefined : `${name} has no clusters`),
  async run(stage) {
    const other = await stage.startRelay({ clusterWith: [stage.relay.url] });
    const show = await broadcastOver(stage, [stage.relay], { playFrom: other });
    const demo = await play(stage, show.query({ draft: stage.draft }));
    await demo.waitForProgress(3);
    const { objects } = await demo.stats();
    expectThat(objects.rejected === 0, `${objects.rejected} objects were rejected.`);
    return `${objects.delivered} objects delivered across two nodes`;
  },
};

const oneRelay: Scenario = {
  name: "player in Chromium, chunks and manifests of one process from one relay",
  async run(stage) {
    const show = await broadcastOver(stage, [], { together: stage.relay });
    const demo = await play(stage, show.query({ draft: stage.draft }));
    await demo.waitForProgress(2);
    const { objects } = await demo.stats();
    expectThat(objects.rejected === 0, `${objects.rejected} objects were rejected.`);
    return "verified and live";
  },
};

interface ShowOptions {
  /** The relay from which the player gets chunks, when not those that are published into. */
  readonly playFrom?: ForeignRelay;
  /** One process publishes chunks and manifests, both into this relay. */
  readonly together?: ForeignRelay;
  /** How the manifests' relay differs. */
  readonly twist?: RelayTwist;
}

interface Show {
  /** Addresses from which the player gets chunks. */
  readonly objects: readonly string[];
  /** As demo/config.ts reads it from the address bar. */
  query(more: Record<string, string>): URLSearchParams;
}

/**
 * A signed broadcast into these relays, one chunk publisher each, and the signer into a relay of its own: relays may take two publishers of one
 * namespace for two of the same, and ask either for any track (moq-relay does).
 */
async function broadcastOver(
  stage: Stage,
  relays: readonly ForeignRelay[],
  { playFrom, together, twist }: ShowOptions = {},
): Promise<Show> {
  const manifests = together ?? (await stage.startRelay(twist));
  const folder = await temporaryFolder();
  stage.atEnd(folder.remove);
  const seed = generateSeed();
  const seedFile = join(folder.path, "signer.seed");
  await writeFile(seedFile, Buffer.from(seed).toString("hex"), { mode: 0o600 });
  const key = await importSeed(seed);
  // A name of its own: what earlier scenarios published may live on in the relay's cache.
  const broadcast = `${BROADCAST}/${Date.now().toString(36)}`;
  const epochMs = Math.floor(Date.now() / 1000) * 1000;
  const publisher = (name: string, relay: ForeignRelay, flags: readonly string[]): PeerProcess => {
    const process = new PeerProcess({
      name,
      program: "publisher.ts",
      args: [
        ...["--relay", relay.url, "--cert-hash", relay.certificateHashHex, "--broadcast", broadcast],
        ...["--epoch", String(epochMs), "--draft", stage.draft, ...flags],
      ],
    });
    stage.atEnd(() => process.stop());
    return process;
  };
  await Promise.all([
    publisher("signer", manifests, [
      ...["--publish-manifests", `--publish-chunks=${together !== undefined}`, "--seed", seedFile],
    ]).start(),
    ...relays.map((relay, i) => publisher(`publisher-${i}`, relay, []).start()),
  ]);
  const other = together ?? playFrom;
  const from = other ? [other] : relays;
  return {
    objects: from.map(({ url }) => url),
    query: (more) =>
      new URLSearchParams({
        broadcast,
        objects: from.map(({ url }) => url).join(),
        manifests: manifests.url,
        root: Buffer.from(key.publicKey).toString("hex"),
        hash: [...from, manifests].map(({ certificateHashHex }) => certificateHashHex).join(),
        ...more,
      }),
  };
}

/** Opens the demo page and waits until it plays at the live edge. */
async function play(stage: Stage, query: URLSearchParams): Promise<DemoPage> {
  const page = await openDemo(stage, query);
  // Not opened by itself: this one has no probe in it.
  const demo = new DemoPage(page, page.url());
  await poll(
    LIVE_TIMEOUT_MS,
    async () => (await demo.state()) === "live",
    () => whatThePlayerSays(page),
  );
  await demo.waitForProgress(0.5, LIVE_TIMEOUT_MS);
  return demo;
}

async function openDemo(stage: Stage, query: URLSearchParams): Promise<Page> {
  const site = await serveSources(() => false, { port: 0, quiet: true, watch: false });
  stage.atEnd(() => site.close());
  const browser = await chromium.launch({ ...launchOptions("chromium"), handleSIGINT: false });
  stage.atEnd(() => browser.close());
  const page = await browser.newPage();
  // tsx names functions with a helper that pages do not have.
  await page.addInitScript("globalThis.__name = (named) => named;");
  await page.goto(`${site.url}?${query.toString()}`);
  return page;
}

async function everySourceCarries(demo: DemoPage, urls: readonly string[]): Promise<void> {
  let stats: PlayerStats | undefined;
  const carries = async (): Promise<boolean> => {
    stats = await demo.stats();
    return urls.every((url) =>
      stats?.sources.some(
        (source) => source.url === url && source.kind === "objects" && source.score.good > 0,
      ),
    );
  };
  await poll(LIVE_TIMEOUT_MS, carries, async () =>
    (stats?.sources ?? [])
      .map(({ url, state, score }) => `${url} is ${state}, ${score.good} good`)
      .join("; "),
  );
}

async function whatThePlayerSays(page: Page): Promise<string> {
  const said = await page.evaluate(() => ({
    state: globalThis.player?.state,
    error: globalThis.player?.error?.message,
    notice: document.querySelector("#notice")?.textContent?.replace(/\s+/g, " ").trim(),
    sources: globalThis.player?.stats?.sources.map(({ url, state }) => `${url} ${state}`).join(", "),
  }));
  return `the player is ${said.state ?? "not there"}: ${said.error ?? said.notice ?? ""} (${said.sources ?? "no sources"})`;
}

async function poll(
  timeoutMs: number,
  holds: () => Promise<boolean>,
  otherwise: () => Promise<string>,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`Waited in vain: ${await otherwise()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export const PLAYER_SCENARIOS: readonly Scenario[] = [
  splitPlayer,
  playerLosesRelay,
  oneRelay,
  negotiatingPlayer,
  strangerToPlayer,
  clusterPlayer,
];
