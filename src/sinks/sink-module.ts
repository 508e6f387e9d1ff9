import type { Consumer } from '../protocol/consumers.js';
import type { BusError } from '../protocol/errors.js';
import type { Event } from '../protocol/event.js';
import type { SqliteDatabase } from './project/projection-store.js';
import type { Sink, SinkBus } from './sink.js';

/** What a sink of an app's own is given that `millrace serve` runs: its module exports a function as its default. */
export interface SinkContext {
  /** The name of its section in the config file. */
  readonly name: string;
  readonly bus: SinkBus;
  /** The consumer of its section; absent if that has none. */
  readonly consumer?: Consumer;
  /** The `options` of its section, with secrets in place of their names. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Aborts when the server stops. */
  readonly signal: AbortSignal;
  /** Writes a failure after which the sink goes on into the server's log. */
  readonly onError: (error: BusError) => void;
}

/** Makes the sink. The server stops it at its end, and calls again after a failure. */
export type SinkModule = (context: SinkContext) => Sink | Promise<Sink>;

/**
 * The exports of a module that a section of kind `project` names. The server opens the database, so the module only
 * says how events change it. All are synchronous.
 */
export interface ProjectionModule {
  /** Makes the tables, at each start, before the first event. Default: nothing. */
  readonly prepare?: (db: SqliteDatabase) => void;
  /** As `apply` of `project`. */
  readonly apply: (event: Event, db: SqliteDatabase) => void;
  /** As `clear` of `project`. Default: none. */
  readonly clear?: (db: SqliteDatabase) => void;
}
