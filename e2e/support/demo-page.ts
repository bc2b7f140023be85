/** The demo page as a test handles it: what a visitor does, what a visitor sees, and what the probe saw. */
import type { Page } from "@playwright/test";
import { expect } from "@playwright/test";
import type { PlayerEvents, PlayerState, PlayerStats, SourceStats } from "../../src/index.ts";
import type { Probe, SeenEvent, TracedDelivery } from "./page-probe.ts";
import { installProbe } from "./page-probe.ts";
import type { Place, Truth } from "./truth.ts";
import { placeName } from "./truth.ts";

const TRACE = "/e2e/preludes/trace.ts";

/** Polls are cheap calls into the page; this is how soon a change is seen. */
const POLL = { intervals: [50, 100, 200] };

/** Words, and an end: what a person can be shown. */
const SENTENCE = /\S+ \S+ .*[.?]$/s;

export interface OpenDemoOptions {
  /** Query of the address: see demo/config.ts. */
  readonly query?: URLSearchParams | Record<string, string>;
  /** More modules that the worker runs first. */
  readonly preludes?: readonly string[];
}

export class DemoPage {
  readonly page: Page;
  readonly #url: string;
  #probed = false;

  constructor(page: Page, url: string) {
    this.page = page;
    this.#url = url;
  }

  async open({ query = {}, preludes = [] }: OpenDemoOptions = {}): Promise<void> {
    await this.probe(preludes);
    const search = new URLSearchParams(query).toString();
    await this.page.goto(search === "" ? this.#url : `${this.#url}?${search}`);
  }

  /** Once per page: reloads keep it. */
  async probe(preludes: readonly string[] = []): Promise<void> {
    if (this.#probed) return;
    this.#probed = true;
    await this.page.addInitScript(installProbe, { preludes: [TRACE, ...preludes] });
  }

  /** Opens the page and waits until the picture moves. */
  async play(options: OpenDemoOptions = {}): Promise<void> {
    await this.open(options);
    await this.waitForState("live");
    await this.waitForProgress(0.5);
  }

  async state(): Promise<PlayerState | undefined> {
    return await this.page.evaluate(() => globalThis.player?.state);
  }

  async waitForState(state: PlayerState, timeout = 20_000): Promise<void> {
    await expect.poll(() => this.state(), { ...POLL, timeout, message: `state ${state}` }).toBe(state);
  }

  async stats(): Promise<PlayerStats> {
    // The worker tells the first ones half a second after it began.
    const handle = await this.page.waitForFunction(() => globalThis.player?.stats);
    return (await handle.jsonValue()) as PlayerStats;
  }

  /** By the name that the launcher gave it, or by address. */
  async source(url: string): Promise<SourceStats | undefined> {
    const stats = await this.page.evaluate(() => globalThis.player?.stats);
    return stats?.sources.find((source) => source.url === url);
  }

  async waitForSource(
    url: string,
    what: string,
    matches: (source: SourceStats) => boolean,
    timeout = 20_000,
  ): Promise<void> {
    await expect
      .poll(
        async () => {
          const source = await this.source(url);
          return source !== undefined && matches(source);
        },
        { ...POLL, timeout, message: `${url}: ${what}` },
      )
      .toBe(true);
  }

  /** Waits until the picture has moved on by `seconds` of media, with frames decoded meanwhile. Seeks that jump ahead do not count. */
  async waitForProgress(seconds: number, timeout = 20_000): Promise<void> {
    await this.page.evaluate(
      async ({ goalS, timeoutMs }) => {
        const video = document.querySelector("video") as HTMLVideoElement;
        const framesBefore = video.getVideoPlaybackQuality().totalVideoFrames;
        let last = video.currentTime;
        let playedS = 0;
        await new Promise<void>((resolve, reject) => {
          const end = (): void => {
            clearTimeout(timer);
            video.removeEventListener("timeupdate", check);
            video.removeEventListener("seeking", onSeeking);
          };
          const onSeeking = (): void => {
            last = video.currentTime;
          };
          const check = (): void => {
            const moved = video.currentTime - last;
            last = video.currentTime;
            if (moved > 0) playedS += moved;
            const frames = video.getVideoPlaybackQuality().totalVideoFrames - framesBefore;
            if (playedS < goalS || frames === 0) return;
            end();
            resolve();
          };
          const timer = setTimeout(() => {
            end();
            const { paused, readyState, error } = video;
            const buffered = Array.from(
              { length: video.buffered.length },
              (_, i) => `${video.buffered.start(i)}-${video.buffered.end(i)}`,
            );
            const frames = video.getVideoPlaybackQuality().totalVideoFrames - framesBefore;
            reject(
              new Error(
                `The picture moved by ${playedS.toFixed(2)} s instead of ${goalS} s (${frames} frames; at ${video.currentTime}, ` +
                  `paused ${paused}, readyState ${readyState}, buffered ${buffered.join(" ")}, error ${error?.message ?? "none"})`,
              ),
            );
          }, timeoutMs);
          video.addEventListener("timeupdate", check);
          video.addEventListener("seeking", onSeeking);
        });
      },
      { goalS: seconds, timeoutMs: timeout },
    );
  }

  async probed(): Promise<Probe> {
    return await this.page.evaluate(() => globalThis.__probe);
  }

  async events<K extends keyof PlayerEvents>(type: K): Promise<readonly SeenEvent[]> {
    const { events } = await this.probed();
    return events.filter((event) => event.type === type);
  }

  /** What the page tells its visitor, when it has something to tell. */
  async notice(): Promise<
    { readonly code: string; readonly title: string; readonly hint: string } | undefined
  > {
    const notice = this.page.locator("#notice");
    if (!(await notice.isVisible())) return undefined;
    return {
      code: (await this.page.locator("#notice-code").textContent()) ?? "",
      title: (await this.page.locator("#notice-title").textContent()) ?? "",
      hint: (await this.page.locator("#notice-hint").textContent()) ?? "",
    };
  }

  /** The page shows this stable code, a sentence that says what happened and one that says what to do. */
  async expectNotice(code: string, timeout = 20_000): Promise<void> {
    await expect(this.page.locator("#notice-code")).toHaveText(code, { timeout });
    await expect(this.page.locator("#notice")).toBeVisible();
    await expect(this.page.locator("#notice-title")).toHaveText(SENTENCE);
    await expect(this.page.locator("#notice-hint")).toHaveText(SENTENCE);
  }

  async frames(): Promise<number> {
    return await this.page.evaluate(
      () => (document.querySelector("video") as HTMLVideoElement).getVideoPlaybackQuality().totalVideoFrames,
    );
  }

  async deliveries(): Promise<readonly TracedDelivery[]> {
    return (await this.probed()).deliveries;
  }

  /** Waits until an object of this id is delivered, of whatever group and track. */
  async waitForDelivery(object: number): Promise<void> {
    await this.page.evaluate(
      (id) =>
        new Promise<void>((resolve) => {
          const { deliveries } = globalThis.__probe;
          const seen = deliveries.length;
          const look = setInterval(() => {
            if (!deliveries.slice(seen).some((delivery) => delivery.object === id)) return;
            clearInterval(look);
            resolve();
          }, 10);
        }),
      object,
    );
  }
}

/** What relays left out is fetched when something later has come (0.3 s), from a second relay if the first does not answer (0.8 s each): a hole is told after 1.8 s, and this is well past it. */
const REPAIRED_WITHIN_MS = 8_000;

interface Delivered {
  readonly wrong: readonly string[];
  readonly byTrack: ReadonlyMap<string, readonly Place[]>;
}

async function delivered(demo: DemoPage, truth: Truth): Promise<Delivered> {
  const byTrack = new Map<string, Place[]>();
  const wrong: string[] = [];
  for (const { type, digest, group, object, merger } of await demo.deliveries()) {
    if (type !== "delivered") continue;
    const place = truth.placeOf(digest);
    if (place === undefined || place.group !== group || place.object !== object) {
      wrong.push(
        `${group}/${object} of merger ${merger} is ${place ? placeName(place) : "signed by nobody"}`,
      );
      continue;
    }
    const places = byTrack.get(place.track) ?? [];
    places.push(place);
    byTrack.set(place.track, places);
  }
  return { wrong, byTrack };
}

const inOrder = (a: Place, b: Place): number => a.group - b.group || a.object - b.object;

/**
 * Every place was delivered exactly once, with the bytes that the signer signed, and between the first and the newest of a track nothing lacks. Objects may overtake each other, and a repair
 * takes its time: what was overtaken when this is called is waited for.
 */
export async function expectExactlyOnce(demo: DemoPage, truth: Truth): Promise<void> {
  const before = await delivered(demo, truth);
  const missing = async (): Promise<readonly string[]> => {
    const { byTrack } = await delivered(demo, truth);
    return [...before.byTrack].flatMap(([track, places]) => {
      const ordered = [...places].sort(inOrder);
      const [first, last] = [ordered[0] as Place, ordered.at(-1) as Place];
      const there = new Set(byTrack.get(track)?.map(placeName));
      return truth.missingBetween(track, first, last, there);
    });
  };
  await expect.poll(missing, { timeout: REPAIRED_WITHIN_MS, message: "objects never delivered" }).toEqual([]);
  const { wrong, byTrack } = await delivered(demo, truth);
  expect(wrong, "delivered with other bytes than the signer's").toEqual([]);
  expect([...byTrack.keys()].sort(), "tracks delivered").toEqual([...truth.tracks].sort());
  for (const [track, places] of byTrack) {
    const distinct = new Set(places.map(placeName));
    expect(places.length - distinct.size, `objects of ${track} delivered twice`).toBe(0);
  }
}

/** P1 at the border: not one byte of media reached the page that the signer did not sign. */
export function expectOnlySignedMedia(media: Probe["media"], truth: Truth): void {
  const unsigned = media.filter(({ kind, digest }) =>
    kind === "chunk"
      ? truth.placeOf(digest) === undefined
      : kind === "init"
        ? !truth.isInitSegment(digest)
        : true,
  );
  expect(media.length, "pieces of media that reached the page").toBeGreaterThan(0);
  expect(unsigned, "media on the page that nobody signed").toEqual([]);
}
