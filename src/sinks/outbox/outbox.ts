import { performance } from 'node:perf_hooks';
import type { EventInput } from '../../protocol/event.js';
import {
  OUTBOX_BATCH,
  OUTBOX_BATCH_MAX,
  OUTBOX_POLL_MS,
  OUTBOX_POLL_MS_MAX,
  OUTBOX_STALE_MS,
} from '../../protocol/limits/sinks.js';
import {
  checkOptions,
  type OptionCheck,
  oneOf,
  optionInvalid,
  wholeNumber,
} from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { databaseName, isSqlite, type SqliteDatabase } from '../project/projection-store.js';
import type { Sink, SinkBus, SinkInfo, SinkOptions } from '../sink.js';
import { SINK_CHECKS, SinkLife } from '../sink-life.js';
import { isOfTopics, OutboxPublisher, type Outcome } from './outbox-publisher.js';
import { type OutboxRow, OutboxTable, onEnqueued } from './outbox-table.js';
import { WaitingTopics } from './waiting-topics.js';

/**
 * A transactional outbox: rows that a program wrote together with its own, in one transaction, are published once each,
 * in the order of their commits, and then deleted. An event's id is its row's, so a row that is published again, because
 * the process died before it was deleted, is found to be there.
 */

export interface OutboxOptions extends SinkOptions {
  /** A bus or a client, on which the rows are published. */
  bus: SinkBus;
  /** A connection of `better-sqlite3` or `node:sqlite`. */
  db: SqliteDatabase;
  /** The table's name; it is made if it is not there. Default `outbox`. */
  table?: string;
  /** The most rows that are published at once, 1 to 4096. Default 256. */
  batch?: number;
  /** How often the table is looked at for rows of other processes, 1 to 60,000 ms. Default 100. */
  pollMs?: number;
  /**
   * What becomes of a row that can never be published, as its topic, its type or its payload is refused. `keep`: it stays
   * in the table with the reason in its column `error`, and later rows go on. `stop`: the outbox ends with the error.
   * Default `keep`.
   */
  onPoison?: 'keep' | 'stop';
}

export interface OutboxInfo extends SinkInfo {
  /** How many rows were in the log already, published before a process died or an answer was lost. */
  readonly duplicates: number;
  /** How many rows were kept in the table with an error. */
  readonly kept: number;
}

const tableName: OptionCheck = (value) =>
  typeof value === 'string' && /^[A-Za-z_]\w{0,62}$/.test(value)
    ? undefined
    : `has to be a name of 1 to 63 letters, digits and _, not ${quote(value)}`;
const aDatabase: OptionCheck = (value) =>
  isSqlite(value) ? undefined : 'has to be a connection of better-sqlite3 or node:sqlite';
const aBus: OptionCheck = (value) => {
  const { publishMany, get } = (value ?? {}) as Partial<SinkBus>;
  const isOne = typeof publishMany === 'function' && typeof get === 'function';
  return isOne ? undefined : `has to be a bus or a client, not ${quote(value)}`;
};

/** The check of each option. */
export const OUTBOX_CHECKS: ReadonlyMap<string, OptionCheck> = new Map<string, OptionCheck>([
  ...SINK_CHECKS,
  ['bus', aBus],
  ['db', aDatabase],
  ['table', tableName],
  ['batch', wholeNumber(1, OUTBOX_BATCH_MAX)],
  ['pollMs', wholeNumber(1, OUTBOX_POLL_MS_MAX)],
  ['onPoison', oneOf(['keep', 'stop'])],
]);

/** Writes an event's row; returns the id that the event will have. */
export type Enqueue = (input: EventInput) => string;

/**
 * Makes the table of an outbox if it is not there, and the function that writes its rows. Call that function inside the
 * transaction that writes what the event tells of; the outbox publishes the row once this transaction is committed.
 *
 * @param db a connection of `better-sqlite3` or `node:sqlite`
 * @param table the table's name, as that of the outbox
 * @throws BusError `OPTION_INVALID`; the function throws `PAYLOAD_INVALID` for a payload that is no JSON value, and
 * `EVENT_INVALID` for a `timestamp` or `expiresAt` that is no time
 */
export function prepareOutbox(db: SqliteDatabase, table = 'outbox'): Enqueue {
  checkOptions('prepareOutbox', { db, table }, OUTBOX_CHECKS);
  const rows = new OutboxTable(db, table);
  return (input) => rows.insert(input);
}

/**
 * Publishes the rows of an outbox, each once, in the order of their commits.
 *
 * @param options the bus, the database and the table
 * @throws BusError `OPTION_INVALID`
 */
export function outbox(options: OutboxOptions): Sink<OutboxInfo> {
  checkOptions('outbox', options, OUTBOX_CHECKS);
  for (const name of ['bus', 'db'] as const) {
    if (options[name] === undefined) throw optionInvalid('outbox', name, 'is missing');
  }
  const life = new SinkLife('outbox', options);
  const courier = new OutboxCourier(life, options);
  const { bus, db, table = 'outbox' } = options;
  const file = databaseName(db);
  return life.start(
    () => courier.work(),
    options.signal,
    () => ({ duplicates: courier.duplicates, kept: courier.kept }),
    {
      on: bus,
      target: file === undefined ? table : `${table} in ${file}`,
      pending: () => courier.pending,
    },
  );
}

class OutboxCourier {
  duplicates = 0;
  kept = 0;
  readonly #life: SinkLife;
  readonly #options: OutboxOptions;
  readonly #publisher: OutboxPublisher;
  #table: OutboxTable | undefined;
  /**
   * Rows up to this one may be in the log already: those that were there at the start, and those of an attempt whose
   * outcome is not known. `undefined` before the first look.
   */
  #doubtfulThrough: number | undefined;
  readonly #waiting = new WaitingTopics();
  #wake = (): void => {};
  #isWoken = false;

  constructor(life: SinkLife, options: OutboxOptions) {
    this.#life = life;
    this.#options = options;
    this.#publisher = new OutboxPublisher(options.bus);
  }

  /** How many rows wait, at most `OUTBOX_COUNTED_MAX`; `undefined` before the first look, and where it fails. */
  get pending(): number | undefined {
    try {
      return this.#table?.waiting();
    } catch {
      // Attempts tell of it.
      return undefined;
    }
  }

  async work(): Promise<void> {
    const { db, pollMs = OUTBOX_POLL_MS } = this.#options;
    const forget = onEnqueued(db, () => {
      this.#isWoken = true;
      this.#wake();
    });
    try {
      while (!this.#life.signal.aborted) {
        this.#isWoken = false;
        const { count, mayGoOn } = await this.#attempt();
        if (!mayGoOn) await this.#life.wait(this.#life.retryMs());
        else if (count === 0) await this.#rest(pollMs);
      }
    } finally {
      forget();
    }
  }

  /** Publishes a batch. `mayGoOn`: the next attempt may come at once. */
  async #attempt(): Promise<{ count: number; mayGoOn: boolean }> {
    const { batch = OUTBOX_BATCH, db, table = 'outbox', onPoison = 'keep' } = this.#options;
    let outcome: Outcome;
    let rows: OutboxRow[] = [];
    try {
      this.#table ??= new OutboxTable(db, table);
      this.#doubtfulThrough ??= this.#table.last();
      const through = this.#doubtfulThrough;
      const readAt = performance.now();
      rows = this.#table.read(batch, this.#waiting.now());
      this.#life.begin();
      if (rows.length === 0) return { count: 0, mayGoOn: true };
      const isStale = (): boolean => performance.now() - readAt > OUTBOX_STALE_MS;
      const isDoubtful = ({ sequence }: OutboxRow): boolean => sequence <= through;
      outcome = await this.#publisher.publish(rows, isDoubtful, isStale);
      if (outcome.failure !== undefined || isStale()) this.#doubt(rows);
      const kept = new Map([...outcome.refused].map(([row, error]) => [row, error.message]));
      this.#table.settle(outcome.published, onPoison === 'keep' ? kept : new Map());
    } catch (error) {
      // What is published and not deleted may be forgotten by the bus when the program's transaction ends.
      this.#doubt(rows);
      if (isInTransaction(error)) return { count: 0, mayGoOn: true };
      this.#life.failed(error);
      return { count: 0, mayGoOn: false };
    }
    return this.#told(outcome);
  }

  #told(outcome: Outcome): { count: number; mayGoOn: boolean } {
    const { published, duplicates, refused, failure, waiting } = outcome;
    this.duplicates += duplicates;
    this.#life.done(published.length);
    for (const error of refused.values()) {
      if (this.#options.onPoison === 'stop') throw error;
      this.kept++;
      this.#life.tell(error);
    }
    const count = published.length + refused.size;
    if (failure === undefined) {
      this.#waiting.none();
      return { count, mayGoOn: true };
    }
    this.#life.failed(failure);
    if (isOfTopics(outcome) && this.#waiting.add(waiting)) {
      // At once, as other topics may have rows.
      return { count: count + waiting.size, mayGoOn: true };
    }
    this.#waiting.clear();
    return { count, mayGoOn: false };
  }

  #doubt(rows: readonly OutboxRow[]): void {
    const last = rows.at(-1)?.sequence ?? 0;
    if (this.#doubtfulThrough !== undefined) {
      this.#doubtfulThrough = Math.max(this.#doubtfulThrough, last);
    }
  }

  /** Waits for a row of this process, or for the time to look for those of others. */
  async #rest(pollMs: number): Promise<void> {
    if (this.#isWoken) {
      // The row's transaction is committed in this turn or a later one.
      await new Promise((resolve) => setImmediate(resolve));
      return;
    }
    const { signal } = this.#life;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = () => {};
        resolve();
      };
      const timer = setTimeout(end, pollMs);
      signal.addEventListener('abort', end);
      this.#wake = end;
    });
  }
}

/** The program has a transaction open on the same connection, over an `await`: its end is waited for. */
function isInTransaction(error: unknown): boolean {
  return error instanceof Error && /within a transaction/.test(error.message);
}
