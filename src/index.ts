/** The public list of Countersign: what an app may import. */
export type { CountersignErrorOptions, ErrorCode, ErrorData, ProtocolDetail } from "./errors.ts";
export { CountersignError } from "./errors.ts";
export type { RejectReason, SourceScore, SourceState } from "./merge/types.ts";
export { createPlayer } from "./playback/player.ts";
export type { PeerInput, PlayerOptions, ReplayOptions, TrustOptions } from "./playback/player-options.ts";
export type { PlaybackStats, Player, PlayerEvents, PlayerStats } from "./playback/player-types.ts";
export type { StoreEstimate } from "./replay/types.ts";
export type {
  PeerOptions,
  PlayerState,
  SourceStats,
  TimeRange,
  TrackDescription,
  WorkerStats,
} from "./rpc/protocol.ts";
export type { TrustState } from "./trust/types.ts";
