import { beforeEach, expect, it, vi } from "vitest";

/** A page of its own for each test: what is asked once per page is module state. */
let persistence: typeof import("./persistence.ts");

beforeEach(async () => {
  vi.resetModules();
  persistence = await import("./persistence.ts");
});

class FakeVideo extends EventTarget {
  currentTime = 0;

  play(seconds: number): void {
    for (let at = 0; at < seconds; at += 0.25) {
      this.currentTime += 0.25;
      this.dispatchEvent(new Event("timeupdate"));
    }
  }

  seek(to: number): void {
    this.currentTime = to;
    this.dispatchEvent(new Event("timeupdate"));
  }
}

function storage(granted = false) {
  return { persisted: vi.fn(async () => granted), persist: vi.fn(async () => true) };
}

async function watch(
  video: FakeVideo,
  asked: ReturnType<typeof storage>,
  signal = new AbortController().signal,
) {
  persistence.askWhenWatched(video as unknown as HTMLVideoElement, asked, signal);
  return video;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

it("asks once somebody has watched for a while, not before, and not again", async () => {
  const asked = storage();
  const video = await watch(new FakeVideo(), asked);
  video.play(9);
  await settled();
  expect(asked.persist).not.toHaveBeenCalled();
  video.play(2);
  await settled();
  expect(asked.persist).toHaveBeenCalledTimes(1);
  video.play(60);
  (await watch(new FakeVideo(), asked)).play(60);
  await settled();
  expect(asked.persist).toHaveBeenCalledTimes(1);
});

it("does not take a seek for watching", async () => {
  const asked = storage();
  const video = await watch(new FakeVideo(), asked);
  video.play(2);
  video.seek(5000);
  await settled();
  expect(asked.persist).not.toHaveBeenCalled();
});

it("asks nobody who has granted it, nor for a player that is gone", async () => {
  const granted = storage(true);
  (await watch(new FakeVideo(), granted)).play(20);
  await settled();
  expect(granted.persist).not.toHaveBeenCalled();
  vi.resetModules();
  persistence = await import("./persistence.ts");
  const gone = new AbortController();
  const asked = storage();
  const video = await watch(new FakeVideo(), asked, gone.signal);
  gone.abort();
  video.play(20);
  await settled();
  expect(asked.persist).not.toHaveBeenCalled();
});

it("a browser that refuses or cannot be asked is no error", async () => {
  expect(await persistence.askPersistence(undefined)).toBe(false);
  vi.resetModules();
  const again = await import("./persistence.ts");
  expect(await again.askPersistence({ persist: () => Promise.reject(new TypeError("no")) })).toBe(false);
});
