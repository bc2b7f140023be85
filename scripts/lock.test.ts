import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withLock } from "./lock.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "countersign-lock-"));
  path = join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("lets one in at a time, and the next one in afterwards", async () => {
  let inside = 0;
  const visits = Array.from({ length: 3 }, () =>
    withLock(path, async () => {
      inside++;
      expect(inside).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    }),
  );
  await Promise.all(visits);
  expect(existsSync(path)).toBe(false);
});

test("takes over from a holder that died", async () => {
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(path, String(dead));
  expect(await withLock(path, async () => "entered")).toBe("entered");
});

test("is open again after its holder failed", async () => {
  await expect(withLock(path, async () => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  expect(existsSync(path)).toBe(false);
});
