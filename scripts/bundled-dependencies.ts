/**
 * What the page and its worker import from npm, as they import it. Vite prepares these before the first request: found
 * only when the worker asks for them, they would make it reload the page, in the middle of a test or of a visitor's wait.
 */
export const BUNDLED_DEPENDENCIES: readonly string[] = ["@noble/hashes/sha2.js", "comlink", "hls.js", "idb"];
