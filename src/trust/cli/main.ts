#!/usr/bin/env node
/** The tool's entry: commands.ts on the real machine. */
import { readFile, writeFile } from "node:fs/promises";
import { run } from "./commands.ts";

process.exitCode = await run(process.argv.slice(2), {
  readFile: async (path) => new Uint8Array(await readFile(path)),
  writeFile: (path, data, { secret }) => writeFile(path, data, { flag: "wx", mode: secret ? 0o600 : 0o644 }),
  now: () => Date.now(),
  print: (line) => process.stdout.write(`${line}\n`),
  printError: (line) => process.stderr.write(`${line}\n`),
});
