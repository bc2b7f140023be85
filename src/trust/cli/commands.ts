/**
 * The command-line tool: keys, statements about keys, signed files, and checking what others signed.
 *
 * Commands take their surroundings (files, clock, output) as a parameter, so that they are tested without any.
 */
import { parseArgs } from "node:util";
import { CountersignError, toCountersignError } from "../../errors.ts";
import { isSidecar } from "../../recording/sidecar.ts";
import { verifyExport } from "../../recording/verify-export.ts";
import { utf8Encode } from "../../utf8.ts";
import { namespaceOf, trackOf } from "../../wire/names.ts";
import { fromHex, hex } from "../bytes.ts";
import { signDelegation } from "../delegation.ts";
import { KEY_STATEMENT, type KeyStatementKind, type KeyStatements } from "../envelope.ts";
import { decodeEvidence, verifyEvidence } from "../evidence.ts";
import { signRevocation, signSuccession } from "../key-change.ts";
import { KeyRing } from "../key-ring.ts";
import { generateSeed, importSeed } from "../keys.ts";
import { STREAM_ID_BYTES } from "../manifest.ts";
import { signRecording, verifyRecording } from "../recording.ts";
import { describeFile, timeText, trackText } from "./describe.ts";

export interface Surroundings {
  readFile(path: string): Promise<Uint8Array>;
  /** Fails when the file exists. A secret is for its owner's eyes only. */
  writeFile(path: string, data: Uint8Array, options: { readonly secret: boolean }): Promise<void>;
  now(): number;
  print(line: string): void;
  printError(line: string): void;
}

export const USAGE = `countersign: keys, signed files and evidence

  keys NAME                                 make a key: NAME.seed (secret) and NAME.pub
  delegate --root SEED --key PUB --out FILE a root lets a key sign
           [--namespace a/b] [--from TIME] [--until TIME] [--serial N]
  revoke   --root SEED --key PUB --out FILE [--from TIME]
                                            a root ends a key; without --from as if it never had been
  succeed  --root SEED --key PUB --out FILE --from TIME
                                            a root names the root that follows it
  sign FILE --key SEED --namespace a/b --track NAME --out FILE
           [--delegation FILE] [--object-bytes N]
                                            sign a file; the manifests lie beside it
  verify FILE --manifests FILE --root PUB   check a signed file, or what a player exported
  verify FILE --root PUB                    check evidence of equivocation
           [--delegation FILE] [--revocation FILE] [--succession FILE]
                                            statements about keys that the checker knows (repeatable)
  print FILE                                any of these in readable form

SEED and PUB are files made by "keys"; PUB may be the key itself, 64 hex digits. TIME is ISO 8601 or ms since 1970.
Ends with 0 when all is well, 1 when something is not what was signed, 2 when it was asked wrongly.`;

const YEAR_MS = 365 * 24 * 3_600_000;

class UsageError extends Error {}

interface Flags {
  readonly positionals: readonly string[];
  one(name: string): string;
  optional(name: string): string | undefined;
  many(name: string): readonly string[];
}

function readFlags(args: readonly string[], names: readonly string[], positionals: number): Flags {
  const options = Object.fromEntries(
    names.map((name) => [name, { type: "string", multiple: true } as const]),
  );
  let parsed: { values: Readonly<Record<string, readonly string[] | undefined>>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (thrown) {
    throw new UsageError(thrown instanceof Error ? thrown.message : String(thrown));
  }
  if (parsed.positionals.length !== positionals)
    throw new UsageError(`${positionals} names are expected, not ${parsed.positionals.length}.`);
  const many = (name: string): readonly string[] => parsed.values[name] ?? [];
  const optional = (name: string): string | undefined => {
    const given = many(name);
    if (given.length > 1) throw new UsageError(`--${name} was given twice.`);
    return given[0];
  };
  const one = (name: string): string => {
    const given = optional(name);
    if (given === undefined) throw new UsageError(`--${name} is missing.`);
    return given;
  };
  return { positionals: parsed.positionals, many, optional, one };
}

function time(value: string): number {
  const ms = /^\d+$/.test(value) ? Number(value) : Date.parse(value);
  if (Number.isSafeInteger(ms) && ms >= 0) return ms;
  throw new UsageError(`"${value}" is no time; say for example 2026-01-31T12:00:00Z.`);
}

function count(value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new UsageError(`"${value}" is no whole number.`);
}

const KEY_TEXT = /^[0-9a-f]{64}$/i;

async function hexFile(path: string, on: Surroundings): Promise<Uint8Array<ArrayBuffer>> {
  const line = new TextDecoder().decode(await on.readFile(path)).trim();
  if (KEY_TEXT.test(line)) return fromHex(line);
  throw new CountersignError("invalid-options", `${path} does not hold 64 hex digits.`);
}

const publicKey = (value: string, on: Surroundings): Promise<Uint8Array> =>
  KEY_TEXT.test(value) ? Promise.resolve(fromHex(value)) : hexFile(value, on);

const signingKey = async (path: string, on: Surroundings) => importSeed(await hexFile(path, on));

async function keyStatements(flags: Flags, on: Surroundings): Promise<KeyStatements> {
  const read = (kind: KeyStatementKind) => Promise.all(flags.many(kind).map((path) => on.readFile(path)));
  return {
    succession: await read("succession"),
    delegation: await read("delegation"),
    revocation: await read("revocation"),
  };
}

async function makeKeys(args: readonly string[], on: Surroundings): Promise<void> {
  const [name] = readFlags(args, [], 1).positionals;
  const seed = generateSeed();
  const key = await importSeed(seed);
  await on.writeFile(`${name}.seed`, utf8Encode(`${hex(seed)}\n`), { secret: true });
  await on.writeFile(`${name}.pub`, utf8Encode(`${hex(key.publicKey)}\n`), { secret: false });
  on.print(`${hex(key.publicKey)}  ${name}.pub`);
}

async function delegate(args: readonly string[], on: Surroundings): Promise<void> {
  const flags = readFlags(args, ["root", "key", "namespace", "from", "until", "serial", "out"], 0);
  const namespace = flags.optional("namespace");
  const notBeforeMs = time(flags.optional("from") ?? String(on.now()));
  await write(
    flags,
    on,
    await signDelegation(await signingKey(flags.one("root"), on), {
      publicKey: await publicKey(flags.one("key"), on),
      namespacePrefix: namespace === undefined ? [] : namespaceOf(...namespace.split("/")),
      notBeforeMs,
      notAfterMs: time(flags.optional("until") ?? String(notBeforeMs + YEAR_MS)),
      // Later is newer, without a book to keep.
      serial: count(flags.optional("serial") ?? String(on.now())),
    }),
  );
}

async function changeKey(
  sign: typeof signRevocation,
  fallback: string | undefined,
  args: readonly string[],
  on: Surroundings,
): Promise<void> {
  const flags = readFlags(args, ["root", "key", "from", "out"], 0);
  const fromMs = time(flags.optional("from") ?? fallback ?? flags.one("from"));
  const change = { publicKey: await publicKey(flags.one("key"), on), fromMs };
  await write(flags, on, await sign(await signingKey(flags.one("root"), on), change));
}

async function sign(args: readonly string[], on: Surroundings): Promise<void> {
  const kinds = Object.keys(KEY_STATEMENT);
  const flags = readFlags(args, ["key", "namespace", "track", "object-bytes", "out", ...kinds], 1);
  const objectBytes = flags.optional("object-bytes");
  const manifests = await signRecording(await on.readFile(flags.positionals[0]!), {
    key: await signingKey(flags.one("key"), on),
    track: trackOf(namespaceOf(...flags.one("namespace").split("/")), flags.one("track")),
    streamId: crypto.getRandomValues(new Uint8Array(STREAM_ID_BYTES)),
    issuedAtMs: on.now(),
    keyStatements: await keyStatements(flags, on),
    ...(objectBytes !== undefined && { objectBytes: count(objectBytes) }),
  });
  await write(flags, on, manifests);
}

async function verify(args: readonly string[], on: Surroundings): Promise<void> {
  const flags = readFlags(args, ["root", "manifests", ...Object.keys(KEY_STATEMENT)], 1);
  const roots = await Promise.all(flags.many("root").map((root) => publicKey(root, on)));
  if (roots.length === 0) throw new UsageError("--root is missing.");
  const ring = await KeyRing.create(roots);
  const refused: CountersignError[] = [];
  await ring.admitAll(await keyStatements(flags, on), (error) => refused.push(error));
  // Given by the checker: to go on without one of them would be to answer another question.
  if (refused[0] !== undefined) throw refused[0];
  const file = await on.readFile(flags.positionals[0]!);
  const manifests = flags.optional("manifests");
  if (manifests === undefined) {
    const { track, streamId, what, first, second } = await verifyEvidence(decodeEvidence(file), ring);
    on.print(
      `Proven: the signer of ${trackText(track)} (stream ${hex(streamId)}) contradicted itself: ${what}.`,
    );
    for (const { key, source, manifest } of [first, second])
      on.print(`  issued ${timeText(manifest.issuedAtMs)}, signed by ${hex(key.publicKey)}, from ${source}`);
    return;
  }
  const beside = await on.readFile(manifests);
  if (isSidecar(beside)) {
    await verifyExported(file, beside, ring, on);
    return;
  }
  const verdict = await verifyRecording(file, beside, ring);
  on.print(
    `Good: ${verdict.bytes} bytes in ${verdict.objects} objects of ${trackText(verdict.track)}, signed ${timeText(verdict.issuedAtMs)}.`,
  );
  if (!verdict.whole) {
    throw new CountersignError(
      "manifest-broken-chain",
      "This is a part of the recording: its end is missing.",
    );
  }
}

/** A file that a player exported: a stretch of a broadcast, which may have holes. */
async function verifyExported(
  file: Uint8Array,
  manifests: Uint8Array,
  ring: KeyRing,
  on: Surroundings,
): Promise<void> {
  const verdict = await verifyExport(file, manifests, ring);
  const names = verdict.tracks.map(trackText).join(" and ");
  on.print(
    `Good: ${verdict.bytes} bytes in ${verdict.objects} objects of ${names} (stream ${hex(verdict.streamId)}).`,
  );
  for (const { track, first, last } of verdict.missing)
    on.print(`  Not in the file: groups ${first} to ${last} of ${trackText(track)}.`);
  if (verdict.incomplete > 0) on.print(`  Not whole: ${verdict.incomplete} of ${verdict.groups} groups.`);
}

async function print(args: readonly string[], on: Surroundings): Promise<void> {
  const [path] = readFlags(args, [], 1).positionals;
  on.print(describeFile(await on.readFile(path!)));
}

async function write(flags: Flags, on: Surroundings, data: Uint8Array): Promise<void> {
  await on.writeFile(flags.one("out"), data, { secret: false });
}

const COMMANDS: Readonly<Record<string, (args: readonly string[], on: Surroundings) => Promise<void>>> = {
  keys: makeKeys,
  delegate,
  revoke: (args, on) => changeKey(signRevocation, "0", args, on),
  succeed: (args, on) => changeKey(signSuccession, undefined, args, on),
  sign,
  verify,
  print,
};

/** Runs one command; resolves with the exit code. */
export async function run(args: readonly string[], on: Surroundings): Promise<number> {
  const [name = "help", ...rest] = args;
  if (name === "help" || name === "--help" || name === "-h") {
    on.print(USAGE);
    return args.length === 0 ? 2 : 0;
  }
  try {
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) throw new UsageError(`There is no command "${name}".`);
    await command(rest, on);
    return 0;
  } catch (thrown) {
    if (thrown instanceof UsageError) {
      on.printError(`${thrown.message}\nSee "countersign help".`);
      return 2;
    }
    const error = toCountersignError(thrown, "internal");
    on.printError(`${error.code}: ${error.message}${error.hint === undefined ? "" : `\n${error.hint}`}`);
    return 1;
  }
}
