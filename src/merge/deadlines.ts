/**
 * When an awaited object counts as missing, and when the wait for it is over: the sequencer's sense of time. One timer, armed for whatever is due next.
 */
import type { Clock } from "../clock.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { Expected, GroupBuffer, Surrender } from "./group-buffer.ts";
import {
  GIVE_UP_AFTER_MS,
  MISSING_AFTER_MS,
  SILENT_AFTER_MS,
  START_GRACE_MS,
  UNSIGNED_AFTER_MS,
} from "./limits.ts";
import type { MissingObjects } from "./types.ts";

export interface DeadlineLimits {
  readonly missingAfterMs?: number;
  readonly silentAfterMs?: number;
  readonly giveUpAfterMs?: number;
  readonly unsignedAfterMs?: number;
  readonly startGraceMs?: number;
}

/** Weight of the newest sample in the signer's running lead: about the last 10 objects count. */
const LEAD_WEIGHT = 0.2;

/** Past this, publishers are not behind but away. */
const MAX_LEAD_MS = 5_000;

/** A deadline that never comes. */
const NEVER = Number.POSITIVE_INFINITY;

export class Deadlines {
  readonly missingAfterMs: number;
  readonly unsignedAfterMs: number;
  readonly startGraceMs: number;
  readonly #clock: Clock;
  readonly #silentAfterMs: number;
  readonly #giveUpAfterMs: number;
  readonly #onDue: () => void;
  /** Running mean of how long objects come after their signature. */
  #signerLeadMs = 0;
  #timerAtMs = NEVER;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, limits: DeadlineLimits, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
    this.missingAfterMs = limits.missingAfterMs ?? MISSING_AFTER_MS;
    this.#silentAfterMs = limits.silentAfterMs ?? SILENT_AFTER_MS;
    this.#giveUpAfterMs = limits.giveUpAfterMs ?? GIVE_UP_AFTER_MS;
    this.unsignedAfterMs = limits.unsignedAfterMs ?? UNSIGNED_AFTER_MS;
    this.startGraceMs = limits.startGraceMs ?? START_GRACE_MS;
  }

  /** An object came this long after its signature. */
  noteLead(leadMs: number): void {
    this.#signerLeadMs += (leadMs - this.#signerLeadMs) * LEAD_WEIGHT;
  }

  /** What publishers that are always behind the signer are granted on top of any wait. */
  get allowanceMs(): number {
    return Math.min(2 * this.#signerLeadMs, MAX_LEAD_MS);
  }

  /** How long an object may take that nothing has overtaken. */
  get #patienceMs(): number {
    return this.#silentAfterMs + this.allowanceMs;
  }

  askAtMs(entry: Expected): number {
    if (entry.overtakenAtMs !== undefined) return entry.overtakenAtMs + this.missingAfterMs;
    return (entry.retriedAtMs ?? entry.knownAtMs) + this.#patienceMs;
  }

  /** An object is awaited from now on. */
  armExpected(nowMs: number, overtaken: boolean): void {
    this.arm(nowMs + (overtaken ? this.missingAfterMs : this.#patienceMs));
  }

  arm(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    this.#cancelTimer?.();
    this.#timerAtMs = atMs;
    this.#cancelTimer = this.#clock.setTimer(atMs - this.#clock.now(), () => {
      this.#cancelTimer = undefined;
      this.#timerAtMs = NEVER;
      this.#onDue();
    });
  }

  /** Whether a moment has come; if not, it is waited for. */
  isDue(atMs: number): boolean {
    if (atMs <= this.#clock.now()) return true;
    this.arm(atMs);
    return false;
  }

  /** What is missing now, lowest group first; what was missing for too long is surrendered, with the cause that `explain` gives. Arms the next deadline. */
  sweep<T extends MoqObject>(
    groups: readonly GroupBuffer<T>[],
    explain: (group: VarInt, object: VarInt) => Surrender,
  ): readonly MissingObjects[] {
    const nowMs = this.#clock.now();
    const missing: MissingObjects[] = [];
    let nextMs = NEVER;
    for (const buffer of groups) {
      const objects: VarInt[] = [];
      for (let i = buffer.next; i < buffer.expected.length; i++) {
        const entry = buffer.expected[i]!;
        if (entry.surrender !== undefined || buffer.holds(entry.object)) continue;
        if (entry.askedAtMs === undefined) {
          const dueMs = this.askAtMs(entry);
          if (dueMs > nowMs) {
            nextMs = Math.min(nextMs, dueMs);
            continue;
          }
          entry.askedAtMs = nowMs;
          objects.push(entry.object);
        }
        // With nothing later there, giving up would gain nothing: wait, within the caps of what is held back.
        if (entry.overtakenAtMs === undefined) continue;
        const dueMs = Math.max(entry.askedAtMs, entry.overtakenAtMs) + this.#giveUpAfterMs;
        if (dueMs > nowMs) nextMs = Math.min(nextMs, dueMs);
        else entry.surrender = explain(buffer.group, entry.object);
      }
      if (objects.length > 0) missing.push({ group: buffer.group, objects });
    }
    if (nextMs !== NEVER) this.arm(nextMs);
    return missing;
  }

  cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
