/** Runs in the player's worker first: the browser refuses a database, as it does where storage is switched off. */
Object.defineProperty(globalThis, "indexedDB", {
  configurable: true,
  get() {
    throw new DOMException("The operation is insecure.", "SecurityError");
  },
});
