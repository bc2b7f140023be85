/**
 * The connection to the database, through everything that can happen to one.
 *
 * Another tab may hold an older version open (blocked), want a newer one or delete the database (versionchange: we let go at once, so that it
 * never waits for us), and the browser may end the connection when its storage is cleared or fails (terminated). Each of these only closes this
 * connection; the next use opens a new one, a bounded number of times. When that fails too the owner is told, once, and goes on without.
 */
import { openDB } from "idb";
import type { Clock } from "../clock.ts";
import { CountersignError } from "../errors.ts";
import type { ReplayDatabase, ReplaySchema } from "./schema.ts";
import { DATABASE_NAME, migrate, SCHEMA_VERSION } from "./schema.ts";

/** How long an open may take. A blocked one waits for tabs that may never close; the viewer must not. */
export const OPEN_TIMEOUT_MS = 5_000;

/** Openings per minute before we stop trying: a browser that keeps ending the connection will not be talked out of it. */
export const MAX_OPENS_PER_MINUTE = 6;

const MINUTE_MS = 60_000;

export interface DatabaseOptions {
  readonly name?: string;
  readonly clock: Clock;
  /** The connection ended for a reason outside this tab; what was stored may be gone. It is opened again when next used. */
  onInterrupted(error: CountersignError): void;
}

export class DatabaseConnection {
  readonly #options: DatabaseOptions;
  readonly #name: string;
  #opening: Promise<ReplayDatabase> | undefined;
  #current: ReplayDatabase | undefined;
  #opens: number[] = [];
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#name = options.name ?? DATABASE_NAME;
  }

  /** The open database. Rejects with storage-unavailable when there is none to be had, storage-failed after close(). */
  get(): Promise<ReplayDatabase> {
    if (this.#closed)
      return Promise.reject(new CountersignError("storage-failed", "The replay store is closed."));
    if (this.#opening === undefined) {
      const opening = this.#open();
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
    }
    return this.#opening;
  }

  /** Runs `work` on the database, and once more on a new connection when the first was closing under it. */
  async use<T>(work: (database: ReplayDatabase) => Promise<T>): Promise<T> {
    const database = await this.get();
    try {
      return await work(database);
    } catch (thrown) {
      if (!isConnectionLost(thrown)) throw thrown;
      this.#letGo(database);
      return work(await this.get());
    }
  }

  close(): void {
    this.#closed = true;
    this.#current?.close();
    this.#current = undefined;
    this.#opening = undefined;
  }

  async #open(): Promise<ReplayDatabase> {
    const { clock } = this.#options;
    const now = clock.now();
    this.#opens = this.#opens.filter((at) => now - at < MINUTE_MS);
    if (this.#opens.length >= MAX_OPENS_PER_MINUTE)
      throw new CountersignError("storage-unavailable", "The browser keeps closing the replay database.", {
        hint: "Live playback goes on without stored history; reload the page to try again.",
      });
    this.#opens.push(now);
    let database: ReplayDatabase;
    try {
      database = await this.#openWithin(OPEN_TIMEOUT_MS);
    } catch (thrown) {
      throw explainOpenFailure(thrown);
    }
    if (this.#closed) {
      database.close();
      throw new CountersignError("storage-failed", "The replay store is closed.");
    }
    this.#current = database;
    return database;
  }

  #openWithin(timeoutMs: number): Promise<ReplayDatabase> {
    let blocked = false;
    let timedOut = false;
    const opening: Promise<ReplayDatabase> = openDB<ReplaySchema>(this.#name, SCHEMA_VERSION, {
      upgrade: (database, oldVersion, _newVersion, transaction) => migrate(database, oldVersion, transaction),
      blocked: () => {
        blocked = true;
      },
      blocking: () => {
        this.#interrupted("Another tab changed or deleted the replay database.");
      },
      terminated: () => {
        this.#interrupted("The browser closed the replay database.");
      },
    });
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.setTimer(timeoutMs, () => {
        timedOut = true;
        reject(
          new CountersignError(
            "storage-unavailable",
            blocked
              ? "Another tab holds an older version of the replay database open."
              : "The browser did not open the replay database in time.",
            {
              hint: blocked
                ? "Close or reload the other tabs of this site; until then nothing is stored."
                : "Live playback goes on without stored history; reload the page to try again.",
            },
          ),
        );
      });
      opening.then(
        (database) => {
          cancel();
          // Too late to be used: do not block others with it.
          if (timedOut) database.close();
          else resolve(database);
        },
        (thrown: unknown) => {
          cancel();
          reject(thrown);
        },
      );
    });
  }

  #interrupted(message: string): void {
    const database = this.#current;
    if (database === undefined) return;
    this.#letGo(database);
    this.#options.onInterrupted(
      new CountersignError("storage-failed", message, { hint: "It is opened again." }),
    );
  }

  #letGo(database: ReplayDatabase): void {
    database.close();
    if (this.#current !== database) return;
    this.#current = undefined;
    this.#opening = undefined;
  }
}

const nameOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.name : "");

/** What the browsers say when a transaction is begun on a closing connection, or ended by one. */
function isConnectionLost(thrown: unknown): boolean {
  return nameOf(thrown) === "InvalidStateError" || nameOf(thrown) === "AbortError";
}

export function isQuotaError(thrown: unknown): boolean {
  return nameOf(thrown) === "QuotaExceededError";
}

function explainOpenFailure(thrown: unknown): CountersignError {
  if (thrown instanceof CountersignError) return thrown;
  const cause = { cause: thrown };
  if (nameOf(thrown) === "VersionError")
    return new CountersignError(
      "storage-unavailable",
      "The replay database was made by a newer version of this page.",
      {
        hint: "Reload the page to get that version; until then nothing is stored.",
        ...cause,
      },
    );
  return new CountersignError("storage-unavailable", "The browser refused storage for replay.", {
    hint: "Rewinding reaches only as far as memory. Allow storage for this site, or leave private browsing, and reload.",
    ...cause,
  });
}
