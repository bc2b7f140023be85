/** How states are called on the page, and what they mean in a sentence. */
import type { PlayerState } from "../../src/index.ts";

export const STATE_NAMES: Readonly<Record<PlayerState, string>> = {
  connecting: "Connecting",
  waiting: "Waiting for manifest",
  live: "Live",
  rewound: "Rewound",
  stale: "Stale",
  offline: "Offline",
  blocked: "Blocked",
  locked: "Locked",
  failed: "Failed",
  ended: "Ended",
  closed: "Closed",
};

export const STATE_SENTENCES: Readonly<Record<PlayerState, string>> = {
  connecting: "Reaching the relays.",
  waiting: "Connected, but no manifest yet: nothing plays before the signer has spoken.",
  live: "Playing at the live edge; every part was verified before it reached the player.",
  rewound: "Playing behind the live edge.",
  stale: "The signer went silent: playback stops at the last verified moment.",
  offline: "No peer can be reached: playing what this browser has stored.",
  blocked: "Every relay sends what nobody signed, so nothing is played.",
  locked: "The broadcast is encrypted, and no key opens it.",
  failed: "Playback cannot go on.",
  ended: "The broadcast is over.",
  closed: "The player was closed.",
};

export function seconds(ms: number | undefined, digits = 1): string {
  return ms === undefined ? "–" : `${(ms / 1000).toFixed(digits)} s`;
}

export function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? "–" : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Time of day, to the second. */
export function timeOfDay(wallMs: number): string {
  return new Date(wallMs).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
}

/** A duration as a person would say it: `42 s`, `3 min 5 s`, `2 h 10 min`. */
export function agoInWords(ms: number): string {
  const total = Math.round(ms / 1000);
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}
