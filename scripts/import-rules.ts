/**
 * Who may import whom, as data. Arrows run downwards only, so that every room can be read, tested and replaced
 * knowing only the rooms below it; docs/architecture.md has the picture. scripts/check-imports.ts enforces this.
 */

/** What one room may import. `types` are rooms it may name in `import type` only; nothing of them ends up in its bundle. */
export interface RoomRule {
  readonly runtime: readonly string[];
  readonly types?: readonly string[];
  /** Names of npm packages, "node:" for Node's own; absent means: any. */
  readonly packages?: readonly string[];
  /** Said when the rule is broken: the reason, so that the reader can decide what to do instead. */
  readonly why: string;
}

const PURE =
  "It is pure: bytes or events in, values or actions out. What it needs of a platform comes in as a parameter.";

/** Rooms of src/ that hold what a player is made of, lowest first. */
const SDK = [
  "base",
  "wire",
  "session",
  "transport",
  "catalog",
  "trust",
  "merge",
  "replay",
  "recording",
  "mesh",
  "diagnostics",
  "rpc",
  "playback",
] as const;

export const ROOMS: Readonly<Record<string, RoomRule>> = {
  base: {
    runtime: [],
    packages: [],
    why: "The base files (src/*.ts) are below everything. " + PURE,
  },
  wire: {
    runtime: ["base"],
    packages: [],
    why: "wire/ turns MOQT bytes into values and back, and knows nothing else. " + PURE,
  },
  session: {
    runtime: ["base", "wire"],
    packages: [],
    why: "session/ is the protocol's state machine over wire/. " + PURE,
  },
  transport: {
    runtime: ["base", "wire", "session"],
    packages: [],
    why: "transport/ moves bytes between WebTransport and session/; what the objects mean is decided above it.",
  },
  catalog: {
    runtime: ["base", "wire"],
    packages: [],
    why: "catalog/ reads and writes MSF documents; how they arrive and whether they are trusted is not its subject.",
  },
  trust: {
    runtime: ["base", "wire"],
    types: ["catalog"],
    packages: ["@noble/hashes"],
    why: "trust/ alone makes Verified<Object>; it must be auditable without reading transport, merge or storage.",
  },
  cli: {
    runtime: ["base", "wire", "trust", "recording"],
    packages: ["node:"],
    why: "src/trust/cli/ is the command-line tool: Node around trust/, which itself must run in a browser.",
  },
  recording: {
    runtime: ["base", "wire", "catalog", "trust"],
    packages: [],
    why: "recording/ makes a file of verified groups and checks it again, on the page and on a command line: no store, no session.",
  },
  merge: {
    runtime: ["base", "wire", "catalog", "trust"],
    types: ["session", "transport", "diagnostics"],
    packages: [],
    why: "merge/ drives its sources through contracts, so that the client and the embedded relay can share it.",
  },
  replay: {
    runtime: ["base", "wire", "catalog", "trust", "merge"],
    types: ["session", "diagnostics"],
    packages: ["idb"],
    why: "replay/ stores what merge/ delivered; it reaches relays through the GroupSource contract only.",
  },
  mesh: {
    runtime: ["base", "wire"],
    types: ["session", "transport", "merge", "replay", "catalog", "trust", "diagnostics"],
    packages: [],
    why: "mesh/ uses merge, session and replay by their contracts; workers/ puts the real ones in.",
  },
  diagnostics: {
    runtime: ["base", "wire"],
    types: ["session", "transport", "catalog", "trust", "merge", "replay", "mesh"],
    packages: [],
    why: "diagnostics/ watches the other rooms; it must be removable without any of them noticing.",
  },
  rpc: {
    runtime: ["base"],
    types: [
      "wire",
      "session",
      "catalog",
      "trust",
      "merge",
      "replay",
      "recording",
      "mesh",
      "diagnostics",
      "playback",
    ],
    packages: ["comlink"],
    why: "rpc/ is on both sides of the worker's border: what it imports at run time, the page has to download too.",
  },
  playback: {
    runtime: ["base", "wire", "catalog", "rpc", "recording"],
    types: ["trust", "merge", "replay", "mesh", "diagnostics"],
    packages: ["hls.js"],
    why: "The main thread only plays (P8): sessions, crypto and storage are the worker's, reached through rpc/.",
  },
  publish: {
    runtime: ["base", "wire", "session", "transport", "catalog", "trust"],
    types: ["merge", "replay", "diagnostics"],
    packages: ["mediabunny", "@noble/hashes"],
    why: "publish/ runs in Node and in the browser and shares the protocol, not the player.",
  },
  testing: {
    runtime: [
      "base",
      "wire",
      "session",
      "transport",
      "catalog",
      "trust",
      "merge",
      "replay",
      "mesh",
      "publish",
    ],
    types: ["diagnostics", "rpc"],
    why: "testing/ is published as countersign/testing and must load in plain Node, without hls.js or a <video>.",
  },
  index: {
    runtime: ["base", "rpc", "playback"],
    types: [
      "wire",
      "session",
      "transport",
      "catalog",
      "trust",
      "merge",
      "replay",
      "recording",
      "mesh",
      "diagnostics",
    ],
    packages: [],
    why: "src/index.ts is what a page downloads for its main thread (P8); it names the worker's rooms by type only.",
  },
  workers: {
    runtime: [...SDK, "publish"],
    why: "workers/ is the composition root of the SDK; tests, demo and the public list are not part of it.",
  },
  "demo page": {
    runtime: ["index", "demo page"],
    why: "The demo page is an app like any other: what it cannot do with src/index.ts, no app can.",
  },
  "demo peers": {
    runtime: [
      "base",
      "wire",
      "session",
      "transport",
      "catalog",
      "trust",
      "merge",
      "replay",
      "mesh",
      "publish",
      "testing",
      "demo peers",
      "scripts",
      "config",
    ],
    types: ["diagnostics"],
    why: "The peers are relays and publishers; they use the protocol rooms and must not depend on the player.",
  },
  e2e: {
    runtime: [
      ...SDK.filter((room) => room !== "playback"),
      "publish",
      "testing",
      "index",
      "demo peers",
      "scripts",
      "e2e",
    ],
    types: ["playback", "demo page"],
    why: "e2e drives the page from outside; it may build adversarial peers, but never reaches into the page's code.",
  },
  bench: {
    runtime: [...SDK, "publish", "testing", "index", "demo peers", "scripts", "bench", "workers", "e2e"],
    why: "bench measures what ships.",
  },
  scripts: {
    runtime: ["scripts", "config"],
    types: ["base"],
    why: "scripts/ must work when the sources do not compile.",
  },
  fuzz: {
    runtime: [...SDK, "publish", "testing"],
    why: "scripts/fuzz.ts gives every parser there is to the fuzzer of src/testing/fuzz; it is the one script that runs the sources.",
  },
  config: {
    runtime: ["scripts"],
    why: "Tool configuration is loaded before anything is known to work.",
  },
};

/** Packages with one owner, so that they can be replaced, or handed in by the app, in one place. */
export const SINGLE_OWNER: Readonly<Record<string, string>> = { "hls.js": "playback" };
