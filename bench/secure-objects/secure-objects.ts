/**
 * Decrypting objects in order, as a track's pipeline does, against bare AES-GCM of the same bytes.
 *
 * `npm run bench -- secure-objects [--json] [--rounds N] [--browser chromium|firefox|all]`. In a worker of a real browser.
 */
import { openBenchPage } from "../support/bench-page.ts";
import { type BenchCase, benchCase, note, numberFlag, printReport, stringFlag } from "../support/report.ts";
import type { SecureObjectsPage } from "./page.ts";

const ROUNDS = numberFlag("rounds", 7);
const TOTAL_BYTES = 16_000_000;
const MAX_OBJECTS = 4000;
const SUITES = ["AES_128_GCM_SHA256_128", "AES_256_GCM_SHA512_128", "AES_128_CTR_HMAC_SHA256_80"] as const;
type Global = { readonly bench: SecureObjectsPage };

const cases: BenchCase[] = [];
const wanted = stringFlag("browser", "chromium");
for (const browser of ["chromium", "firefox"] as const) {
  if (wanted !== "all" && wanted !== browser) continue;
  const open = await openBenchPage(browser, "secure-objects");
  try {
    for (const suite of SUITES) {
      for (const kib of [1, 16, 64, 256]) {
        const objectBytes = kib * 1024;
        const objects = Math.min(MAX_OBJECTS, Math.ceil(TOTAL_BYTES / objectBytes));
        const name = `${browser}, ${kib} KiB objects, ${suite}`;
        note(name);
        const rates = await open.page.evaluate(
          (shape) => (globalThis as unknown as Global).bench.measure(shape),
          { suite, objectBytes, objects, rounds: ROUNDS },
        );
        cases.push(
          benchCase(name, "MB/s", "more", rates.ours, { name: "raw:aes-128-gcm", samples: rates.bare }),
        );
      }
    }
  } finally {
    await open.close();
  }
}
printReport("secure-objects", cases);
