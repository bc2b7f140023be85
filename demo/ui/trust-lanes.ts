/** The timeline's colours of trust: which state is drawn how, in which order, and how it is said in words. */
import type { TimeRange, TrustRange } from "../../src/index.ts";
import { seconds, timeOfDay } from "./wording.ts";

/** What is drawn beside "verified", from the harmless to the worst; later ones cover earlier ones. The names are those of the style sheet's classes. */
export const TRUST_LANES = ["waiting", "stale", "rejected", "equivocation"] as const;

type TrustLane = (typeof TRUST_LANES)[number];

const WORDS: Readonly<Record<TrustRange["state"], string>> = {
  verified: "verified",
  waiting: "waiting for the signer's word",
  stale: "the signer is silent",
  rejected: "refused",
  equivocation: "the signer contradicted itself",
};

export function trustLanes(ranges: readonly TrustRange[]): Readonly<Record<TrustLane, readonly TimeRange[]>> {
  const of = (lane: TrustLane): readonly TimeRange[] => ranges.filter(({ state }) => state === lane);
  return {
    waiting: of("waiting"),
    stale: of("stale"),
    rejected: of("rejected"),
    equivocation: of("equivocation"),
  };
}

/** The same for those who do not see the colours: the latest stretch of each state, and from whom, and why. */
export function trustText(ranges: readonly TrustRange[], epochMs: number): string {
  const sentences = new Map<string, string>();
  for (const { state, startMs, endMs, track, relay, reason } of ranges) {
    const whose = [track, relay && `from ${new URL(relay).host}`, reason && `(${reason})`]
      .filter(Boolean)
      .join(" ");
    const from = timeOfDay(epochMs + startMs);
    sentences.set(
      `${state} ${relay ?? ""}`,
      `${WORDS[state]}${whose && `: ${whose}`}, ${seconds(endMs - startMs, 0)} from ${from}`,
    );
  }
  return [...sentences.values()].join("; ");
}
