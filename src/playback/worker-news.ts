/** What the worker tells of peers and media, passed on to the app as it is: errors become errors again, and nothing else changes. */
import { CountersignError, type ErrorData } from "../errors.ts";
import type { Emitter } from "../events.ts";
import type { WorkerEvent } from "../rpc/protocol.ts";
import type { PlayerEvents } from "./player-types.ts";

export type WorkerNews = Extract<
  WorkerEvent,
  { type: "source" | "reconnecting" | "resumed" | "hole" | "rejected" | "warning" }
>;

export function passOn(emitter: Emitter<PlayerEvents>, news: WorkerNews): void {
  switch (news.type) {
    case "source": {
      const { type, reason, ...source } = news;
      emitter.emit(type, { ...source, ...revived(reason) });
      return;
    }
    case "reconnecting": {
      const { type, reason, ...peer } = news;
      emitter.emit(type, { ...peer, ...revived(reason) });
      return;
    }
    case "resumed": {
      const { type, ...resumed } = news;
      emitter.emit(type, resumed);
      return;
    }
    case "hole": {
      const { type, ...hole } = news;
      emitter.emit(type, hole);
      return;
    }
    case "rejected": {
      const { type, ...rejected } = news;
      emitter.emit(type, rejected);
      return;
    }
    case "warning":
      emitter.emit("warning", CountersignError.fromData(news.error));
  }
}

function revived(reason: ErrorData | undefined): { reason?: CountersignError } {
  return reason ? { reason: CountersignError.fromData(reason) } : {};
}
