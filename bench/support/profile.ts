/** V8's sampling profiler on the workers of a Chromium page: where the time goes, by function and by file. */
import { writeFile } from "node:fs/promises";
import type { CDPSession } from "playwright";
import type { BenchPage } from "./bench-page.ts";
import { note } from "./report.ts";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Finer than the default of 1 ms; a run lasts some seconds. */
const SAMPLING_US = 200;
const TOP = 40;

interface WorkerSession {
  send(method: string, params?: Record<string, unknown>): Promise<unknown>;
}

/** Sessions with the page's workers. Playwright has none for them, so messages are wrapped, as the protocol had it before flat sessions. */
async function attachToWorkers(cdp: CDPSession): Promise<readonly WorkerSession[]> {
  const sessions: WorkerSession[] = [];
  const answers = new Map<string, (message: { result?: unknown; error?: { message: string } }) => void>();
  let nextId = 1;
  cdp.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
    if (targetInfo.type !== "worker") return;
    sessions.push({
      send: (method, params = {}) =>
        new Promise((resolve, reject) => {
          const id = nextId++;
          answers.set(`${sessionId}/${id}`, ({ result, error }) =>
            error ? reject(new Error(error.message)) : resolve(result),
          );
          cdp
            .send("Target.sendMessageToTarget", {
              sessionId,
              message: JSON.stringify({ id, method, params }),
            })
            .catch(reject);
        }),
    });
  });
  cdp.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
    const parsed = JSON.parse(message) as { id?: number; result?: unknown; error?: { message: string } };
    answers.get(`${sessionId}/${parsed.id}`)?.(parsed);
  });
  await cdp.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  return sessions;
}

/** Runs `work` under the profiler. Writes the busiest worker's profile to `file` (a .cpuprofile, for DevTools), and its top functions to stderr. */
export async function profileWorker(
  { context, page }: BenchPage,
  file: string,
  work: () => Promise<void>,
): Promise<void> {
  const cdp = await context.newCDPSession(page);
  const workers = await attachToWorkers(cdp);
  for (const worker of workers) {
    await worker.send("Profiler.enable");
    await worker.send("Profiler.setSamplingInterval", { interval: SAMPLING_US });
    await worker.send("Profiler.start");
  }
  await work();
  let best: { readonly profile: Profile; readonly busyUs: number } | undefined;
  for (const worker of workers) {
    const { profile } = (await worker.send("Profiler.stop")) as { profile: Profile };
    const busyUs = [...selfTimes(profile)].reduce(
      (sum, [name, us]) => sum + (/^\((idle|program|root)\)/.test(name) ? 0 : us),
      0,
    );
    if (best === undefined || busyUs > best.busyUs) best = { profile, busyUs };
  }
  if (best === undefined) throw new Error("the page has no worker");
  await writeFile(file, JSON.stringify(best.profile));
  const times = [...selfTimes(best.profile)].sort((a, b) => b[1] - a[1]);
  for (const [name, us] of times.slice(0, TOP)) note(`${(us / 1000).toFixed(1).padStart(8)} ms  ${name}`);
}

function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName || "(anonymous)"}${url === "" ? "" : ` ${url.split("/").at(-1)}:${lineNumber + 1}`}`,
    ]),
  );
  const times = new Map<string, number>();
  samples.forEach((id, index) => {
    const name = names.get(id) ?? "?";
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  });
  return times;
}
