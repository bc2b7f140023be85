/**
 * Processor time of single threads of a browser, from Linux's /proc: what a wall clock cannot tell on a machine that others use too.
 *
 * Browsers give no such figure to pages. Elsewhere than on Linux there is none, and the cases that need it are left out.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Chromium's and Firefox's names for the thread of a dedicated worker, as the kernel cuts them off (15 characters). */
export const WORKER_THREAD = /^(?:DedicatedWorker|DOM Worker)/;
/** And for a page's main thread in Chromium. */
export const MAIN_THREAD = /^CrRendererMain/;

interface Process {
  readonly pid: number;
  readonly parent: number;
}

function processes(): Process[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const stat = readOrNothing(`/proc/${entry}/stat`);
      // The name, in parentheses, may hold anything; the parent is the second field behind it.
      const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
      return parent === undefined ? [] : [{ pid: Number(entry), parent: Number(parent) }];
    });
}

/** A process or thread may end while it is looked at. */
function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** This process's children, their children, and so on: the browser that was started here is among them. */
function descendants(): number[] {
  const all = processes();
  const found = [process.pid];
  for (const pid of found) for (const each of all) if (each.parent === pid) found.push(each.pid);
  return found.slice(1);
}

/** Milliseconds that all threads so named, of all processes started here, have run on a processor. Undefined where that cannot be known. */
export function threadCpuMs(name: RegExp): number | undefined {
  if (process.platform !== "linux") return undefined;
  let nanoseconds = 0;
  let seen = false;
  for (const pid of descendants()) {
    let threads: string[];
    try {
      threads = readdirSync(`/proc/${pid}/task`);
    } catch {
      continue;
    }
    for (const thread of threads) {
      if (!name.test(readOrNothing(`/proc/${pid}/task/${thread}/comm`))) continue;
      const [ran] = readOrNothing(`/proc/${pid}/task/${thread}/schedstat`).split(" ");
      if (ran === undefined || ran === "") continue;
      nanoseconds += Number(ran);
      seen = true;
    }
  }
  return seen ? nanoseconds / 1e6 : undefined;
}
