import type { Clock } from "../clock.ts";
import type { GroupTruth } from "../trust/types.ts";
import type { Location } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import { subVarInt } from "../wire/varint.ts";
import type { Deadlines } from "./deadlines.ts";
import { GroupBuffer } from "./group-buffer.ts";
import { nextId } from "./interval-set.ts";
import { MISSING_MAX_OBJECTS } from "./limits.ts";

/** What the sequencer knows of groups it has not handed out: what must come, by whose word, and what later things have overtaken. */
export class OpenGroups<T extends MoqObject> {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #groups = new Map<VarInt, GroupBuffer<T>>();
  #signedUpTo: Location | undefined;
  /** The furthest object delivered. */
  #frontier: Location | undefined;

  constructor(clock: Clock, deadlines: Deadlines) {
    this.#clock = clock;
    this.#deadlines = deadlines;
  }

  get size(): number {
    return this.#groups.size;
  }

  get bytes(): number {
    let bytes = 0;
    for (const buffer of this.#groups.values()) bytes += buffer.heldBytes;
    return bytes;
  }

  /** The furthest object that the signer spoke of. */
  get signedUpTo(): Location | undefined {
    return this.#signedUpTo;
  }

  get(group: VarInt): GroupBuffer<T> | undefined {
    return this.#groups.get(group);
  }

  /** In no order. */
  values(): IterableIterator<GroupBuffer<T>> {
    return this.#groups.values();
  }

  /** The group, known from now on if it was not. */
  of(group: VarInt): GroupBuffer<T> {
    let buffer = this.#groups.get(group);
    if (buffer === undefined) {
      buffer = new GroupBuffer<T>(group, this.#clock.now());
      this.#groups.set(group, buffer);
    }
    return buffer;
  }

  delete(group: VarInt): void {
    this.#groups.delete(group);
  }

  clear(): void {
    this.#groups.clear();
  }

  /** The lowest group known above `group`. */
  after(group: VarInt | -1): GroupBuffer<T> | undefined {
    let found: GroupBuffer<T> | undefined;
    for (const buffer of this.#groups.values()) {
      if (buffer.group > group && (found === undefined || buffer.group < found.group)) found = buffer;
    }
    return found;
  }

  noteSigned({ group, entries }: GroupTruth): void {
    const object = entries.at(-1)?.object;
    const known = this.#signedUpTo;
    if (object === undefined || (known !== undefined && group < known.group)) return;
    if (known === undefined || group > known.group || object > known.object)
      this.#signedUpTo = { group, object };
  }

  /** An object is signed for. True when that is news. */
  expectSigned(buffer: GroupBuffer<T>, object: VarInt, nowMs: number): boolean {
    const frontier = this.#frontier;
    const overtaken =
      frontier !== undefined &&
      (buffer.group === frontier.group ? object < frontier.object : buffer.group < frontier.group);
    if (!buffer.expect(object, nowMs, overtaken)) return false;
    this.#deadlines.armExpected(nowMs, overtaken);
    return true;
  }

  /** Without manifests: all ids from `floor` to `object` must exist. A jump too far to be a loss is taken as the publisher's way. */
  expectUpTo(buffer: GroupBuffer<T>, object: VarInt, floor: VarInt, nowMs: number): void {
    let from = floor;
    const last = buffer.lastExpected;
    if (last !== undefined && last >= from) from = nextId(last);
    let added = 0;
    if (object > from && subVarInt(object, from) <= MISSING_MAX_OBJECTS) {
      for (; from < object; from = nextId(from)) if (buffer.expect(from, nowMs, true)) added++;
    }
    if (buffer.expect(object, nowMs, true)) added++;
    if (added > 0) this.#deadlines.armExpected(nowMs, true);
  }

  /** An object is here: what comes before it and is not was overtaken. */
  moveFrontier(location: Location, buffer: GroupBuffer<T>, nowMs: number): void {
    const { group, object } = location;
    const frontier = this.#frontier;
    const entry = buffer.expected[buffer.next];
    if (entry?.object === object) this.#deadlines.noteLead(nowMs - entry.knownAtMs);
    if (
      frontier !== undefined &&
      (group === frontier.group ? object <= frontier.object : group < frontier.group)
    )
      return;
    this.#frontier = { group, object };
    // The next object of the same group overtakes nothing: the usual case.
    if (frontier?.group === group && nextId(frontier.object) === object) return;
    let any = false;
    for (const each of this.#groups.values()) {
      if (each.group <= group && each.overtake(each.group === group ? object : undefined, nowMs)) any = true;
    }
    if (any) this.#deadlines.armExpected(nowMs, true);
  }
}
