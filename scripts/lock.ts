/** One process at a time, across processes: a file that names its holder. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_AGAIN_MS = 200;

/**
 * Runs `action` while holding the lock file. A lock whose holder died is taken over. What the lock protects should be
 * published by a rename all the same: two who take over a dead holder's lock in the same instant may both run.
 */
export async function withLock<T>(path: string, action: () => Promise<T>): Promise<T> {
  while (!take(path)) {
    if (!holderLives(path)) rmSync(path, { force: true });
    else await sleep(LOOK_AGAIN_MS);
  }
  try {
    return await action();
  } finally {
    rmSync(path, { force: true });
  }
}

function take(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function holderLives(path: string): boolean {
  let pid: number;
  try {
    pid = Number(readFileSync(path, "utf8"));
  } catch {
    return false; // gone meanwhile
  }
  // The holder writes its id a moment after making the file.
  if (pid === 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
