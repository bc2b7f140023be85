/** The public list of Countersign: what an app may import. */
export type {
  CountersignErrorOptions,
  ErrorCode,
  ErrorData,
  ProtocolDetail,
  VersionDetail,
} from "./errors.ts";
export { CountersignError } from "./errors.ts";
export type { RejectReason, SourceScore, SourceState } from "./merge/types.ts";
export type { ExportOptions, ExportProgress } from "./playback/export.ts";
export type { EncryptionOptions, KeyInput } from "./playback/key-options.ts";
export type { SeekOutcome } from "./playback/navigation.ts";
export { createPlayer } from "./playback/player.ts";
export type { PeerInput, PlayerOptions, TrustOptions } from "./playback/player-options.ts";
export type { PlaybackStats, Player, PlayerEvents, PlayerStats } from "./playback/player-types.ts";
export type { ReplayOptions } from "./playback/replay-options.ts";
export type { GroupRange, GroupSource, StoredGroup, StoreEstimate } from "./replay/types.ts";
export type {
  AuthorizationNeed,
  AuthorizationProvider,
  BackfillStats,
  PeerOptions,
  PlayerState,
  RedirectOptions,
  SourceStats,
  TimeRange,
  TrackDescription,
  TrustRange,
  WorkerStats,
} from "./rpc/protocol.ts";
export type { KeyRequest } from "./trust/secure-objects/track-keys.ts";
export type { TrustState } from "./trust/types.ts";
