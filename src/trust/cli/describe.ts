/** What signed files say, for people. Reads without believing: whether a signature is good is not its subject. */
import { utf8Decode } from "../../utf8.ts";
import type { FullTrackName, Namespace } from "../../wire/names.ts";
import { hex } from "../bytes.ts";
import { decodeDelegation } from "../delegation.ts";
import {
  type Envelope,
  KEY_STATEMENT,
  type KeyStatementKind,
  MANIFEST_AAD,
  openEnvelope,
} from "../envelope.ts";
import { decodeEvidence } from "../evidence.ts";
import { decodeKeyChange } from "../key-change.ts";
import { kidOf } from "../keys.ts";
import { decodeManifest } from "../manifest.ts";
import { decodeManifests } from "../recording.ts";

/** Text of a byte string where it is printable, else its hex. */
function text(bytes: Uint8Array): string {
  const decoded = utf8Decode(bytes);
  return decoded !== undefined && /^[\x20-\x7e]*$/.test(decoded) ? decoded : `0x${hex(bytes)}`;
}

export function namespaceText(namespace: Namespace): string {
  return namespace.length === 0 ? "(everything)" : namespace.map(text).join("/");
}

export function trackText({ namespace, name }: FullTrackName): string {
  return `${namespaceText(namespace)} ${text(name)}`;
}

/** ISO 8601 where JavaScript's dates reach, else the number. */
export function timeText(ms: number): string {
  return Number.isFinite(new Date(ms).getTime()) ? new Date(ms).toISOString() : `${ms} ms`;
}

function manifestText(bytes: Uint8Array): string[] {
  const envelope = openEnvelope(bytes, MANIFEST_AAD);
  const manifest = decodeManifest(envelope.payload);
  const { completion, catalogDigest, previous } = manifest;
  const lines = [
    `manifest ${manifest.sequence} of ${trackText(manifest.track)}, group ${manifest.group}`,
    `  statement  ${hex(envelope.statement)}`,
    `  previous   ${previous === undefined ? "(the first)" : hex(previous)}`,
    `  stream     ${hex(manifest.streamId)}`,
    `  signed by  ${hex(envelope.kid)} (${envelope.algorithm})`,
    `  issued     ${timeText(manifest.issuedAtMs)}, fresh for ${manifest.freshForMs} ms`,
  ];
  if (catalogDigest !== undefined) lines.push(`  catalog    ${hex(catalogDigest)}`);
  for (const { object, size, leaf } of manifest.entries)
    lines.push(`  object ${object}: ${size} bytes, leaf ${hex(leaf)}`);
  if (completion !== undefined)
    lines.push(`  closes the group: ${completion.objectCount} objects, root ${hex(completion.root)}`);
  for (const kind of Object.keys(KEY_STATEMENT) as KeyStatementKind[]) {
    for (const statement of envelope.keyStatements[kind])
      lines.push(...statementText(statement, kind).map((line) => `  ${line}`));
  }
  return lines;
}

function statementText(bytes: Uint8Array, kind: KeyStatementKind | undefined): string[] {
  const envelope = openEnvelope(bytes, KEY_STATEMENT[kind ?? "delegation"].aad);
  return kind === "delegation" || (kind === undefined && isDelegation(envelope))
    ? delegationText(envelope)
    : changeText(envelope, kind ?? "revocation or succession (its signature tells which)");
}

function isDelegation({ payload }: Envelope): boolean {
  try {
    decodeDelegation(payload);
    return true;
  } catch {
    return false;
  }
}

function delegationText({ payload, kid }: Envelope): string[] {
  const { publicKey, namespacePrefix, notBeforeMs, notAfterMs, serial } = decodeDelegation(payload);
  return [
    `delegation ${serial} by root ${hex(kid)}`,
    `  to         ${hex(publicKey)} (${hex(kidOf(publicKey))})`,
    `  for        ${namespaceText(namespacePrefix)}`,
    `  valid      ${timeText(notBeforeMs)} to ${timeText(notAfterMs)}`,
  ];
}

function changeText({ payload, kid }: Envelope, what: string): string[] {
  const { publicKey, fromMs } = decodeKeyChange(payload);
  return [
    `${what} by root ${hex(kid)}`,
    `  key        ${hex(publicKey)} (${hex(kidOf(publicKey))})`,
    `  from       ${timeText(fromMs)}`,
  ];
}

/** What reads a kind of file, tried in this order; each refuses the others' files by their shape. */
const READERS: readonly ((bytes: Uint8Array) => string[])[] = [
  (bytes) => {
    const { manifests, keyStatements } = decodeEvidence(bytes);
    return [
      `evidence: ${manifests.length} manifests that are said to contradict each other`,
      ...manifests.flatMap(({ envelope, peer }) => [`from ${peer}:`, ...manifestText(envelope)]),
      ...(Object.keys(KEY_STATEMENT) as KeyStatementKind[]).flatMap((kind) =>
        keyStatements[kind].flatMap((statement) => statementText(statement, kind)),
      ),
    ];
  },
  (bytes) => decodeManifests(bytes).flatMap(manifestText),
  manifestText,
  (bytes) => statementText(bytes, undefined),
];

/** The file in readable form. Throws CountersignError "manifest-malformed" for anything that is none of ours. */
export function describeFile(bytes: Uint8Array): string {
  let last: unknown;
  for (const read of READERS) {
    try {
      return read(bytes).join("\n");
    } catch (thrown) {
      last = thrown;
    }
  }
  throw last;
}
