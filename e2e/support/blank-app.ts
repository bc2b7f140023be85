/**
 * An app that knows Countersign only as an npm package: a folder with two pages, the packed tarball installed in it, checked by tsc and served by
 * Vite the way its author would. Nothing in it leads back to this repository's sources.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, createServer, preview } from "vite";
import { run } from "../../scripts/commands.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const page = (script: string): string =>
  `<!doctype html><html lang="en"><title>app</title><video muted playsinline></video><script type="module" src="/${script}"></script></html>\n`;

/** Written against the public types, each exported name once: an app's own tsc decides whether they resolve. */
const PAGE_SCRIPT = `
import { CountersignError, createPlayer } from "countersign";
import type { ErrorCode, Player, PlayerOptions, PlayerState, PlayerStats, TrustState } from "countersign";

declare global {
  var options: PlayerOptions;
  var player: Player;
}

const video = document.querySelector("video") as HTMLVideoElement;
globalThis.player = createPlayer(video, { ...globalThis.options, autoplay: true });
globalThis.player.on("state", ({ state, error }) => {
  const shown: PlayerState = state;
  const code: ErrorCode | undefined = error?.code;
  const stats: PlayerStats | undefined = globalThis.player.stats;
  const trust: TrustState | undefined = stats?.trust;
  document.title = [shown, code, trust, error instanceof CountersignError].join(" ");
});
// @ts-expect-error an app that misspells an option is told by its compiler
const misspelled: PlayerOptions = { ...globalThis.options, targetLatency: 400 };
void misspelled;
`;

const FILES: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({ name: "blank-app", private: true, type: "module" }),
  "index.html": page("main.ts"),
  "main.ts": PAGE_SCRIPT,
  "worker-url.html": page("worker-url.ts"),
  "worker-url.ts": PAGE_SCRIPT.replace(
    "\n\ndeclare global",
    '\nimport workerUrl from "countersign/client.worker.js?url";\n\ndeclare global',
  ).replace("autoplay: true", 'workerUrl: workerUrl + "?given", autoplay: true'),
  "testing.ts": `
import { FakeClock, memoryTransport } from "countersign/testing";

export const clock: FakeClock = new FakeClock();
export const makeTransport: typeof memoryTransport = memoryTransport;
`,
  // What Vite's own "vite/client" declares; the app of this test does not install Vite.
  "assets.d.ts": 'declare module "*?url" {\n  const url: string;\n  export default url;\n}\n',
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "ES2022",
      lib: ["ES2022", "DOM"],
      module: "ESNext",
      moduleResolution: "bundler",
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      // Our declarations are part of what is checked.
      skipLibCheck: false,
    },
    include: ["*.ts"],
  }),
};

export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

export interface Served {
  readonly url: string;
  close(): Promise<void>;
}

export class BlankApp {
  readonly folder: string;
  /** What the tarball holds, as npm lists it. */
  readonly packed: readonly PackedFile[];

  private constructor(folder: string, packed: readonly PackedFile[]) {
    this.folder = folder;
    this.packed = packed;
  }

  /** Builds the package when the sources are newer than it, packs it, and installs the tarball in a new folder. */
  static async create(): Promise<BlankApp> {
    const temporary = mkdtempSync(join(tmpdir(), "countersign-app-"));
    try {
      await run("npm", ["run", "build", "--", "--if-stale"], { cwd: ROOT });
      const listed = await run(
        "npm",
        ["pack", "--ignore-scripts", "--json", "--silent", "--pack-destination", temporary],
        { cwd: ROOT },
      );
      // npm warns of settings of the machine on the same stream.
      const [tarball] = JSON.parse(listed.slice(listed.indexOf("[\n"))) as [
        { readonly filename: string; readonly files: readonly PackedFile[] },
      ];
      const folder = join(temporary, "app");
      mkdirSync(folder);
      for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
      await run(
        "npm",
        ["install", "--prefer-offline", "--no-audit", "--no-fund", join(temporary, tarball.filename)],
        { cwd: folder },
      );
      return new BlankApp(folder, tarball.files);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  /** Rejects with what the compiler said. */
  async check(): Promise<void> {
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    await run(process.execPath, [tsc, "-p", this.folder]);
  }

  /** `vite build` and `vite preview`. */
  async serveBuilt(): Promise<Served> {
    const input = ["index.html", "worker-url.html"].map((name) => join(this.folder, name));
    const common = { root: this.folder, configFile: false, logLevel: "error" } as const;
    await build({ ...common, build: { rolldownOptions: { input } } });
    const server = await preview({ ...common, preview: { host: "localhost", port: 0 } });
    return { url: server.resolvedUrls?.local[0] ?? "", close: () => server.close() };
  }

  /** `vite`, on a copy, so that what its dependency optimizer leaves is not there for anybody else. */
  async serveSources(): Promise<Served> {
    const copy = `${this.folder}-sources`;
    cpSync(this.folder, copy, { recursive: true });
    const server = await createServer({
      root: copy,
      configFile: false,
      logLevel: "error",
      server: { host: "localhost", port: 0, hmr: false, watch: null },
    });
    await server.listen();
    return { url: server.resolvedUrls?.local[0] ?? "", close: () => server.close() };
  }

  remove(): void {
    rmSync(join(this.folder, ".."), { recursive: true, force: true });
  }
}
