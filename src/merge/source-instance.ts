/**
 * Whether two addresses are one relay.
 *
 * A page sees no certificate and no address, so a relay has to say so itself: an `instance=` word in its MOQT_IMPLEMENTATION (draft-18 §10.3.1.5, free text), random and
 * new at each start. Whoever says nothing is taken to be somebody of its own. The word proves nothing: a relay may claim to be another one. So it only decides who sends
 * and who stands by: the twin stays connected and takes over when the first falls behind, dies or lies, like any standby; nobody is cut off for it.
 */

const INSTANCE = /(?:^|[\s(;])instance=([0-9a-f]{16,64})(?![0-9a-f])/;

/** A word for {@link instanceOf} to find; `id`: 16 to 64 lower-case hexadecimal digits. */
export function instanceWord(id: string): string {
  return `instance=${id}`;
}

/** The relay's own name for itself; undefined where it has none. */
export function instanceOf(implementation: string | undefined): string | undefined {
  return implementation === undefined ? undefined : INSTANCE.exec(implementation)?.[1];
}

/** One spelling per address: the scheme, the host's case, a default port and an empty path make no difference. */
export function canonicalAddress(address: string): string {
  try {
    const url = new URL(address.replace(/^moqt:/i, "https:"));
    return url.protocol === "https:" ? url.href : address;
  } catch {
    // Not an address: then its name is all there is.
    return address;
  }
}
