import type { CountersignError } from "../errors.ts";
import type { Connection } from "../transport/connection.ts";
import type { SourceId } from "./types.ts";

/** Told of one source's connection as it comes and goes. Calls alternate: open, lost, open, ...; only a provider that moved (GOAWAY) says open twice, and closes the old connection afterwards. */
export interface ConnectionListener {
  open(connection: Connection): void;
  /** The connection is over, or (before any `open`) an attempt failed. The provider tries again by itself. */
  lost(error: CountersignError | undefined): void;
}

/** How the merge reaches relays. Dialling, back-off and redirects are transport's; the composition root joins the two. */
export interface ConnectionProvider {
  /** Keeps a connection to `source` until the handle is closed; closing it closes the connection, and the listener hears no more. */
  keep(source: SourceId, listener: ConnectionListener): { close(): void };
}
