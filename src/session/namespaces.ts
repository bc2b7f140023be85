/** Comparing namespaces (draft-18 §2.4.1): by fields, never by bytes across a field's border. */
import type { Namespace } from "../wire/names.ts";

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);
}

/** True when `namespace` begins with all fields of `prefix`; an empty prefix begins everything. */
export function startsWith(namespace: Namespace, prefix: Namespace): boolean {
  return prefix.length <= namespace.length && prefix.every((field, at) => sameBytes(field, namespace[at]!));
}

/** True when some namespace would match both prefixes, which two subscriptions of one kind may not (PREFIX_OVERLAP, §10.18). */
export function overlaps(a: Namespace, b: Namespace): boolean {
  return a.length <= b.length ? startsWith(b, a) : startsWith(a, b);
}

const DOT = 0x2e;
const SESSION = [0x2e, 0x73, 0x65, 0x73, 0x73, 0x69, 0x6f, 0x6e];

/**
 * True for namespaces whose requests are refused with DOES_NOT_EXIST before the application sees them: `.`, reserved
 * for nothing (§3.2.1), and `.session`, of whose tracks this version knows none (§3.2.2).
 */
export function isRefusedNamespace(namespace: Namespace): boolean {
  const first = namespace[0];
  if (!first || first[0] !== DOT) return false;
  return (
    first.byteLength === 1 ||
    (first.byteLength === SESSION.length && SESSION.every((byte, at) => byte === first[at]))
  );
}
