/**
 * The drafts we speak. Adding one is a folder beside this file and a line here.
 *
 * Drafts up to 16 are loaded when they are spoken: a page whose relays are up to date never fetches them.
 */
import { CountersignError } from "../errors.ts";
import type { Capabilities, MoqtCodec, Version } from "./codec.ts";
import { draft18 } from "./draft18/index.ts";
import { draft19 } from "./draft19/index.ts";

/** How a session of a version begins: peers of one kind understand each other's first bytes. */
export type Opening = Pick<Capabilities, "unidirectionalControl" | "inBandVersion">;

interface Registered {
  readonly version: Version;
  readonly opening: Opening;
  load(): Promise<MoqtCodec>;
}

function present(codec: MoqtCodec): Registered {
  return { version: codec.version, opening: codec.capabilities, load: () => Promise.resolve(codec) };
}

const oneStream: Opening = { unidirectionalControl: false, inBandVersion: false };

/** Best first: the order in which versions are offered and, where nothing is negotiated, tried. */
const drafts: readonly Registered[] = [
  present(draft18),
  present(draft19),
  { version: "moqt-16", opening: oneStream, load: async () => (await import("./draft16/index.ts")).draft16 },
  { version: "moqt-15", opening: oneStream, load: async () => (await import("./draft15/index.ts")).draft15 },
  {
    version: "moqt-14",
    opening: { ...oneStream, inBandVersion: true },
    load: async () => (await import("./draft14/index.ts")).draft14,
  },
];

/** The versions we speak, best first, as WebTransport's `protocols` names them. */
export const supportedVersions: readonly Version[] = drafts.map(({ version }) => version);

function registered(version: string): Registered {
  const found = drafts.find((draft) => draft.version === version);
  if (found) return found;
  throw new CountersignError("version-unsupported", `MOQT version "${version}" is not spoken here.`, {
    hint: `Use one of: ${supportedVersions.join(", ")}.`,
  });
}

/** A module that is there already still takes a turn of the module loader: a dial that follows another need not wait for it. */
const loaded = new Map<string, MoqtCodec>();

/** The codec of a version, e.g. of `WebTransport.protocol`. Rejects with "version-unsupported" for one we do not speak. */
export async function loadCodec(version: string): Promise<MoqtCodec> {
  const known = loaded.get(version);
  if (known) return known;
  const codec = await registered(version).load();
  loaded.set(version, codec);
  return codec;
}

/** The version of this name. Throws "version-unsupported" for one we do not speak. */
export function versionOf(name: string): Version {
  return registered(name).version;
}

/** Throws "version-unsupported" for a version we do not speak. */
export function openingOf(version: string): Opening {
  return registered(version).opening;
}
