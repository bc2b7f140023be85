/**
 * The drafts we speak. Adding one is a folder beside this file and a line here.
 */
import { CountersignError } from "../errors.ts";
import type { MoqtCodec, Version } from "./codec.ts";
import { draft18 } from "./draft18/index.ts";
import { draft19 } from "./draft19/index.ts";

/** Best first: the order in which versions are offered and, where nothing is negotiated, tried. */
export const codecs: readonly MoqtCodec[] = [draft18, draft19];

/** The versions of {@link codecs}, best first, as WebTransport's `protocols` names them. */
export const supportedVersions: readonly Version[] = codecs.map((codec) => codec.version);

/** The codec of a version, e.g. of `WebTransport.protocol`. Throws "version-unsupported" for one we do not speak. */
export function codecFor(version: string): MoqtCodec {
  const codec = codecs.find((candidate) => candidate.version === version);
  if (codec === undefined) {
    throw new CountersignError("version-unsupported", `MOQT version "${version}" is not spoken here.`, {
      hint: `Use one of: ${supportedVersions.join(", ")}.`,
    });
  }
  return codec;
}
