/** Every codec at once, for tests and fuzzing: what ships loads them one by one (registry.ts). */
import type { MoqtCodec } from "./codec.ts";
import { loadCodec, supportedVersions } from "./registry.ts";

export const everyCodec: readonly MoqtCodec[] = await Promise.all(supportedVersions.map(loadCodec));
