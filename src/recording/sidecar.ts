/**
 * The manifests of an exported recording, as the small file that lies beside it: what the broadcast's signer signed of each group, and which part of the file is which object.
 *
 * It is not signed itself: all that counts in it is. See docs/manifest-format.md.
 */
import { CountersignError } from "../errors.ts";
import { type CborValue, decodeCbor, isArray, isBytes, isMap } from "../trust/cbor.ts";
import { encodeCbor } from "../trust/cbor-writer.ts";
import { canonical, type VarInt } from "../wire/varint.ts";

/** 1 is a file signed as a whole (trust/recording.ts). */
export const SIDECAR_VERSION = 2;

const KEY = {
  version: 1,
  namespace: 2,
  catalog: 3,
  beginsS: 4,
  durationMs: 5,
  tracks: 6,
  groups: 7,
} as const;

export interface SidecarObject {
  readonly object: VarInt;
  readonly size: number;
  /** Key-value pairs as carried; part of what is signed. */
  readonly properties: Uint8Array;
}

export interface SidecarGroup {
  /** Index into `tracks`. */
  readonly track: number;
  readonly group: VarInt;
  readonly objects: readonly SidecarObject[];
  readonly evidence: readonly Uint8Array[];
}

export interface SidecarTrack {
  readonly name: Uint8Array;
  /** Its number in the file. */
  readonly trackId: number;
}

export interface Sidecar {
  readonly namespace: readonly Uint8Array[];
  readonly catalog: {
    readonly group: VarInt;
    readonly object: VarInt;
    readonly payload: Uint8Array;
    readonly evidence: readonly Uint8Array[];
  };
  /** Media time at which the file's time begins, in whole seconds: the same for all tracks, so that none can be moved against another. */
  readonly beginsS: number;
  readonly durationMs: number;
  readonly tracks: readonly SidecarTrack[];
  /** In the order of the file. */
  readonly groups: readonly SidecarGroup[];
}

export function encodeSidecar(sidecar: Sidecar): Uint8Array<ArrayBuffer> {
  const { namespace, catalog, beginsS, durationMs, tracks, groups } = sidecar;
  return encodeCbor(
    new Map<number, CborValue>([
      [KEY.version, SIDECAR_VERSION],
      [KEY.namespace, namespace],
      [KEY.catalog, [catalog.group, catalog.object, catalog.payload, catalog.evidence]],
      [KEY.beginsS, beginsS],
      [KEY.durationMs, Math.round(durationMs)],
      [KEY.tracks, tracks.map(({ name, trackId }) => [name, trackId])],
      [
        KEY.groups,
        groups.map(({ track, group, objects, evidence }) => [
          track,
          group,
          objects.map(({ object, size, properties }) => [object, size, properties]),
          evidence,
        ]),
      ],
    ]),
  );
}

/** Whether these are the manifests of an exported recording, rather than of a file signed as a whole. */
export function isSidecar(bytes: Uint8Array): boolean {
  const map = decodeCbor(bytes);
  return isMap(map) && map.get(KEY.version) === SIDECAR_VERSION;
}

/** For any bytes it returns or throws CountersignError "manifest-malformed". */
export function decodeSidecar(bytes: Uint8Array): Sidecar {
  const map = decodeCbor(bytes);
  if (!isMap(map) || map.size !== 7 || map.get(KEY.version) !== SIDECAR_VERSION) refuse();
  const [group, object, payload, evidence] = list(map.get(KEY.catalog), 4);
  return {
    namespace: list(map.get(KEY.namespace)).map(bytesIn),
    catalog: {
      group: id(group),
      object: id(object),
      payload: bytesIn(payload),
      evidence: list(evidence).map(bytesIn),
    },
    beginsS: size(map.get(KEY.beginsS)),
    durationMs: size(map.get(KEY.durationMs)),
    tracks: list(map.get(KEY.tracks)).map((item) => {
      const [name, trackId] = list(item, 2);
      return { name: bytesIn(name), trackId: size(trackId) };
    }),
    groups: list(map.get(KEY.groups)).map((item) => {
      const [track, groupId, objects, envelopes] = list(item, 4);
      return {
        track: size(track),
        group: id(groupId),
        objects: list(objects).map((entry) => {
          const [objectId, bytesOf, properties] = list(entry, 3);
          return { object: id(objectId), size: size(bytesOf), properties: bytesIn(properties) };
        }),
        evidence: list(envelopes).map(bytesIn),
      };
    }),
  };
}

function refuse(): never {
  throw new CountersignError("manifest-malformed", "These are no manifests of an exported recording.");
}

function list(value: CborValue | undefined, length?: number): readonly CborValue[] {
  if (!isArray(value) || (length !== undefined && value.length !== length)) refuse();
  return value;
}

function bytesIn(value: CborValue | undefined): Uint8Array {
  return isBytes(value) ? value : refuse();
}

function id(value: CborValue | undefined): VarInt {
  if (typeof value === "bigint" && value >= 0n) return canonical(value);
  return size(value);
}

function size(value: CborValue | undefined): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : refuse();
}
