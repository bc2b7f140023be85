/** The command line of `npm run interop`. */
import { parseArgs } from "node:util";
import type { Version } from "../../src/wire/codec.ts";
import { supportedVersions } from "../../src/wire/registry.ts";
import { PEERS, type PeerDefinition, peerNamed } from "./peers.ts";

export interface InteropOptions {
  readonly peer: PeerDefinition;
  /** Drafts to try: those that both speak, or the ones asked for. */
  readonly drafts: readonly Version[];
  /** Parts of scenario names; empty: all scenarios. */
  readonly only: readonly string[];
  /** Leave out what needs Chromium. */
  readonly noBrowser: boolean;
  readonly json: boolean;
  /** A program to run instead of installing one. */
  readonly binary: string | undefined;
  /** Show what the peers print. */
  readonly verbose: boolean;
}

export const INTEROP_USAGE = `Runs a peer that others wrote on loopback and tries our client, publisher and player against it.

  npm run interop -- NAME [options]        NAME: ${PEERS.map(({ name }) => name).join(", ")}

  --draft NAME     only this draft (may be repeated); default: all that both speak, here ${supportedVersions.join(", ")}
  --only TEXT      only scenarios whose name contains this (may be repeated)
  --no-browser     leave out the scenarios that play in Chromium
  --binary PATH    run this program instead of installing the peer
  --json           print JSON instead of a table
  --verbose        show what the peers print`;

/** Throws Error with a sentence that names what is wrong. */
export function parseInteropOptions(
  args: readonly string[],
  supported: readonly Version[] = supportedVersions,
): InteropOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      draft: { type: "string", multiple: true, default: [] },
      only: { type: "string", multiple: true, default: [] },
      binary: { type: "string" },
      "no-browser": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) throw new Error("Name one peer.");
  const peer = peerNamed(name);
  const common = peer.drafts.filter((draft) => supported.includes(draft));
  const drafts = values.draft.map((wanted) => {
    const found = common.find((draft) => draft === wanted);
    if (found) return found;
    throw new Error(`"${wanted}" is not a draft that both speak: ${common.join(", ")}.`);
  });
  return {
    peer,
    drafts: drafts.length > 0 ? drafts : common,
    only: values.only,
    noBrowser: values["no-browser"],
    json: values.json,
    binary: values.binary,
    verbose: values.verbose,
  };
}
