import type { Consumer } from '../../protocol/consumers.js';
import type { Event } from '../../protocol/event.js';
import { ATTEMPTS, ATTEMPTS_MAX } from '../../protocol/limits/consumers.js';
import { PROJECT_BATCH, PROJECT_BATCH_MAX } from '../../protocol/limits/sinks.js';
import {
  aFunction,
  checkOptions,
  type OptionCheck,
  oneOf,
  wholeNumber,
} from '../../protocol/options.js';
import { aConsumer } from '../consumer-option.js';
import type { Sink, SinkInfo, SinkOptions } from '../sink.js';
import { SINK_CHECKS, SinkLife } from '../sink-life.js';
import {
  databaseName,
  isProjectionStore,
  isSqlite,
  type ProjectionStore,
  type SqliteDatabase,
  SqliteProjectionStore,
} from './projection-store.js';
import { Projector } from './projector.js';

/**
 * A read model: rows in a database of the user's own that are the fold of a consumer's events. Each event's effect and
 * the note that it is there are committed in one transaction, so the effect is in the rows exactly once, however often
 * the process dies and the event comes again.
 */

interface CommonOptions<P> extends SinkOptions {
  /** The consumer whose events are applied. With `order: 'topic'` those of one topic are applied in their order. */
  consumer: Consumer<P>;
  /** The most events that one transaction applies, 1 to 5000. Default 256. */
  batch?: number;
  /**
   * After how many attempts an event whose `apply` fails is given up, 1 to 1000; the consumer's `maxAttempts` holds too.
   * Default 5.
   */
  attempts?: number;
  /**
   * What becomes of an event that is given up. `stop`: the projection ends with the error,
   * and the event waits for the next start. `dead`: the event is dead for the consumer, whose later ones go on. Default
   * `stop`.
   */
  onPoison?: 'stop' | 'dead';
}

export interface ProjectOptions<P, D extends SqliteDatabase> extends CommonOptions<P> {
  /**
   * A connection of `better-sqlite3` or `node:sqlite`, on which no transaction is left open over an `await`. The
   * position is in its table `millrace_projections`, and its commits are flushed (`synchronous = FULL`).
   */
  db: D;
  /** Writes the event's effect, by the connection. Synchronous. If it throws, nothing of the transaction stays. */
  apply: (event: Event<P>, db: D) => void;
  /** Empties the rows, for `reset`. Synchronous. Default: `reset` is refused. */
  clear?: (db: D) => void;
}

export interface ProjectStoreOptions<P, T> extends CommonOptions<P> {
  /** Transactions of any other database. */
  db: ProjectionStore<T>;
  /** Writes the event's effect, in the transaction. If it throws or rejects, nothing of the transaction stays. */
  apply: (event: Event<P>, transaction: T) => void | Promise<void>;
  /** Empties the rows, for `reset`. Default: `reset` is refused. */
  clear?: (transaction: T) => void | Promise<void>;
}

export interface ProjectionInfo extends SinkInfo {
  /** How many events came again whose effect was there already. */
  readonly repeated: number;
  /** How many events are dead for the consumer, so that their effect is missing; as of the last look. */
  readonly missing: number;
}

export interface Projection extends Sink<ProjectionInfo> {
  /**
   * Builds the rows anew: empties them, and moves the consumer to the earliest event. If the process dies meanwhile, the
   * next start completes it.
   *
   * @throws BusError `OPTION_INVALID` without `clear`; `SINK_FAILED`; as `consumer.seek`
   */
  reset(): Promise<void>;
}

/** The check of each option. */
export const PROJECT_CHECKS: ReadonlyMap<string, OptionCheck> = new Map<string, OptionCheck>([
  ...SINK_CHECKS,
  ['consumer', aConsumer],
  [
    'db',
    (value) =>
      isSqlite(value) || isProjectionStore(value)
        ? undefined
        : 'has to be a SQLite connection, or an object with begin, position, commit and rollback',
  ],
  ['apply', aFunction],
  ['clear', aFunction],
  ['batch', wholeNumber(1, PROJECT_BATCH_MAX)],
  ['attempts', wholeNumber(1, ATTEMPTS_MAX)],
  ['onPoison', oneOf(['stop', 'dead'])],
]);

/**
 * Keeps rows that are the fold of a consumer's events, each event's effect exactly once.
 *
 * @param options the consumer, the database, and how an event changes it. `name` names the position in the database;
 *   its default is the consumer's name
 * @throws BusError `OPTION_INVALID`
 */
export function project<P, D extends SqliteDatabase>(options: ProjectOptions<P, D>): Projection;
export function project<P, T>(options: ProjectStoreOptions<P, T>): Projection;
export function project(
  options: ProjectOptions<unknown, SqliteDatabase> | ProjectStoreOptions<unknown, unknown>,
): Projection {
  checkOptions('project', required(options, ['consumer', 'db', 'apply']), PROJECT_CHECKS);
  const {
    consumer,
    db,
    batch = PROJECT_BATCH,
    attempts = ATTEMPTS,
    onPoison = 'stop',
    signal,
  } = options;
  const life = new SinkLife('project', { name: consumer.name, ...options });
  const isSynchronous = isSqlite(db);
  const projector = new Projector({
    life,
    consumer,
    store: isSynchronous ? new SqliteProjectionStore(db) : db,
    isSynchronous,
    // Of which of the two kinds the transaction is, `db` has said.
    apply: options.apply as (event: Event, transaction: unknown) => void | Promise<void>,
    clear: options.clear as ((transaction: unknown) => void | Promise<void>) | undefined,
    batch,
    attempts,
    stopsAtPoison: onPoison === 'stop',
  });
  const sink = life.start(
    () => projector.work(),
    signal,
    () => ({ repeated: projector.repeated, missing: projector.missing }),
    { on: consumer, consumer: consumer.name, target: databaseName(db) },
  );
  return { ...sink, reset: () => projector.reset() };
}

/** The options, with those that are missing as `null`, which their checks refuse. */
function required(options: object, names: readonly string[]): object {
  const given = Object(options) as Record<string, unknown>;
  const missing = names.filter((name) => given[name] === undefined);
  return { ...given, ...Object.fromEntries(missing.map((name) => [name, null])) };
}
