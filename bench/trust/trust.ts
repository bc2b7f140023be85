/**
 * Verifying a track: hash, manifests and ledger, against nothing but the hashes.
 *
 * `npm run bench -- trust [--json] [--rounds N] [--browser chromium|firefox|all|node]`. The reference, `raw:sha-256`, digests the same payloads with WebCrypto, as many under
 * way at a time, in the same thread, and compares nothing. Ours gets each group's manifests and then its objects, and is done when the last one is delivered. In a worker of
 * the browser unless Node is asked for, where signatures are checked on another thread (docs/performance.md).
 */
import { openBenchPage } from "../support/bench-page.ts";
import { type BenchCase, benchCase, note, numberFlag, printReport, stringFlag } from "../support/report.ts";
import {
  type Delays,
  type ManifestRates,
  measureDelays,
  measureManifests,
  measureRates,
  type Rates,
  type Signing,
} from "./measure-trust.ts";
import type { TrustPage } from "./page.ts";

const ROUNDS = numberFlag("rounds", 5);
const OBJECT_KIB = [1, 16, 64, 256];
const DELAY_KIB = 16;
const BARE = "raw:sha-256";

interface Measures {
  rates(objectBytes: number, signing: Signing): Promise<Rates>;
  manifests(): Promise<ManifestRates>;
  delays(objectBytes: number): Promise<Delays>;
}

async function casesOf(where: string, measures: Measures): Promise<BenchCase[]> {
  const cases: BenchCase[] = [];
  for (const kib of OBJECT_KIB) {
    for (const signing of ["object", "group"] as const) {
      const { ours, bare } = await measures.rates(kib * 1024, signing);
      const name = `${where}, ${kib} KiB objects, a manifest per ${signing}`;
      note(name);
      cases.push(benchCase(name, "MB/s", "more", ours, { name: BARE, samples: bare }));
      const perSecond = ours.map((rate) => (rate * 1e6) / (kib * 1024));
      cases.push(benchCase(name, "objects/s", "more", perSecond));
    }
  }
  const { together, alone } = await measures.manifests();
  cases.push(benchCase(`${where}, manifests, 25 at once`, "1/s", "more", together));
  cases.push(benchCase(`${where}, manifests, one by one`, "1/s", "more", alone));
  note(`${where}, delays`);
  const { known, bare, late } = await measures.delays(DELAY_KIB * 1024);
  const reference = { name: "raw:one sha-256", samples: bare };
  cases.push(
    benchCase(`${where}, ${DELAY_KIB} KiB object, manifest known: delay`, "us", "less", known, reference),
  );
  cases.push(
    benchCase(
      `${where}, ${DELAY_KIB} KiB object, manifest 20 ms later: delay after it`,
      "us",
      "less",
      late,
      reference,
    ),
  );
  return cases;
}

type Global = { readonly bench: TrustPage };

async function inBrowser(browser: "chromium" | "firefox"): Promise<BenchCase[]> {
  const { page, close } = await openBenchPage(browser, "trust");
  try {
    return await casesOf(browser, {
      rates: (objectBytes, signing) =>
        page.evaluate(
          ([bytes, how, rounds]) => (globalThis as unknown as Global).bench.measureRates(bytes, how, rounds),
          [objectBytes, signing, ROUNDS] as const,
        ),
      manifests: () =>
        page.evaluate((rounds) => (globalThis as unknown as Global).bench.measureManifests(rounds), ROUNDS),
      delays: (objectBytes) =>
        page.evaluate(
          ([bytes, rounds]) => (globalThis as unknown as Global).bench.measureDelays(bytes, rounds),
          [objectBytes, ROUNDS] as const,
        ),
    });
  } finally {
    await close();
  }
}

const wanted = stringFlag("browser", "chromium");
const cases: BenchCase[] = [];
for (const browser of ["chromium", "firefox"] as const) {
  if (wanted === browser || wanted === "all") cases.push(...(await inBrowser(browser)));
}
if (wanted === "node") {
  cases.push(
    ...(await casesOf("node", {
      rates: (objectBytes, signing) => measureRates(objectBytes, signing, ROUNDS),
      manifests: () => measureManifests(ROUNDS),
      delays: (objectBytes) => measureDelays(objectBytes, ROUNDS),
    })),
  );
}
printReport("trust", cases);
