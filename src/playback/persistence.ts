/**
 * Asks the browser to keep what is stored, even when the disk gets full.
 *
 * Browsers may throw away a site's storage under pressure unless they were asked not to. Firefox puts the question to the user, so it is not asked of somebody who is just looking in:
 * only after some seconds of watching, once per page, and not when it was granted before. Workers cannot ask. Nothing waits for the answer.
 */

/** Watched for this long somebody has come to stay. */
export const PERSIST_AFTER_S = 10;

/** The members of StorageManager that are used. */
export interface PersistentStorage {
  persisted?(): Promise<boolean>;
  persist?(): Promise<boolean>;
}

let asked: Promise<boolean> | undefined;

/** Resolves to whether storage is kept. Asks once per page, however often it is called; never rejects. */
export function askPersistence(storage: PersistentStorage | undefined): Promise<boolean> {
  asked ??= (async () => {
    try {
      if (await storage?.persisted?.()) return true;
      return (await storage?.persist?.()) ?? false;
    } catch {
      return false;
    }
  })();
  return asked;
}

/** Asks when the video has been played for PERSIST_AFTER_S, unless `signal` says first that nobody watches any more. */
export function askWhenWatched(
  video: Pick<HTMLVideoElement, "currentTime" | "addEventListener">,
  storage: PersistentStorage | undefined,
  signal: AbortSignal,
): void {
  const listening = new AbortController();
  let watchedS = 0;
  let lastS: number | undefined;
  const onTime = (): void => {
    const stepS = video.currentTime - (lastS ?? video.currentTime);
    lastS = video.currentTime;
    // Seeks are not watching.
    if (stepS > 0 && stepS < 1) watchedS += stepS;
    if (watchedS < PERSIST_AFTER_S) return;
    listening.abort();
    void askPersistence(storage);
  };
  video.addEventListener("timeupdate", onTime, { signal: AbortSignal.any([listening.signal, signal]) });
}
