import { crc32 } from 'node:zlib';
import { BusError } from '../../../protocol/errors.js';
import type { Database, Statement } from '../driver/driver.js';

/**
 * The table `meta`: numbers by name. One checksum, in a row of its own, covers them all, so that any reader notices a
 * number that is wrong or missing. A log of an earlier format has no checksum until it is opened for writing.
 */
const CHECKSUM = 'checksum';

export type Numbers = Readonly<Record<string, number>>;

export class MetaTable {
  readonly #file: string;
  readonly #select: Statement<[], [text: string, checksum: number | null]>;
  readonly #replace: Statement<[string, number]>;
  #text = '{}';
  #numbers: Numbers = {};

  constructor(database: Database) {
    this.#file = database.name;
    this.#select = database
      .prepare<[], [string, number | null]>(
        `SELECT (SELECT json_group_object(key, value) FROM
           (SELECT key, value FROM meta WHERE key <> '${CHECKSUM}' ORDER BY key)),
         (SELECT value FROM meta WHERE key = '${CHECKSUM}')`,
      )
      .raw();
    this.#replace = database.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  }

  /** The number, or 0 if there is none. @throws BusError `STORE_CORRUPT` */
  get(key: string): number {
    return this.all()[key] ?? 0;
  }

  /** @throws BusError `STORE_CORRUPT` */
  all(): Numbers {
    const [text, checksum] = this.#select.get()!;
    if (checksum !== null && checksum !== crc32(text))
      throw this.#damaged('its checksum does not match');
    if (text !== this.#text) {
      this.#numbers = JSON.parse(text);
      this.#text = text;
      const isWrong = Object.values(this.#numbers).some((value) => !Number.isSafeInteger(value));
      if (isWrong) throw this.#damaged('a value is not an integer');
    }
    if (checksum === null && CHECKED_FROM in this.#numbers)
      throw this.#damaged('its checksum is missing');
    return this.#numbers;
  }

  /** Writes numbers, in the caller's transaction. */
  set(numbers: Numbers): void {
    // A damaged table must not get a valid checksum.
    this.all();
    for (const [key, value] of Object.entries(numbers)) this.#replace.run(key, value);
    const [text] = this.#select.get()!;
    this.#replace.run(CHECKSUM, crc32(text));
  }

  #damaged(what: string): BusError {
    const reason = `the table meta is damaged: ${what}`;
    return new BusError('STORE_CORRUPT', `${this.#file}: ${reason}`, {
      details: { file: this.#file, reason },
    });
  }
}

/** The last sequence that was pruned. */
export const PRUNED_THROUGH = 'pruned_through';
/** The recorded time of that event, ms since 1970. */
export const PRUNED_RECORDED_AT = 'pruned_recorded_at';
/** The number of events that were pruned. */
export const PRUNED_EVENTS = 'pruned_events';
/** Blocks below this are in the index. */
export const INDEX_BLOCKS = 'index_blocks';
/** Blocks below this have their rows in `field_index`, if they get any. An earlier version leaves the number as it is. */
export const FIELD_BLOCKS = 'field_blocks';
/** Blocks below this are counted in the totals of `topics`. */
export const TOTALS_BLOCKS = 'totals_blocks';
export const FORMAT = 'format';
export const SHARD = 'shard';
/**
 * From this sequence on the checksums of events cover sequence, time, flags and ids. A log of an earlier format has
 * neither this number nor any of the checks.
 */
export const CHECKED_FROM = 'checked_from';
/** From this block on the rows of the index have checksums, and a block lists its topics. */
export const CHECKED_BLOCKS = 'checked_blocks';
/** The number of rows in `topics`. */
export const TOPICS_COUNT = 'topics';
/** The number of rows in `pruned_ids`. */
export const PRUNED_IDS_COUNT = 'pruned_ids';
/** The number of rows in `consumers`; since format 3. */
export const CONSUMERS_COUNT = 'consumers';
/** The number of rows in `consumer_dead`; since format 3. */
export const CONSUMER_DEAD_COUNT = 'consumer_dead';
/** The number of rows in `scheduled`; since format 5. */
export const SCHEDULED_COUNT = 'scheduled';
/** The number of rows in `schedules`; since format 5. */
export const SCHEDULES_COUNT = 'schedules';
/** The number of rows in `payload_files`; since format 5. */
export const PAYLOAD_FILES_COUNT = 'payload_files';
/** The number of rows in `expiries`; since format 5. */
export const EXPIRIES_COUNT = 'expiries';
/** The number of leading blocks that have no event left; later ones are in `pruned_blocks`. */
export const PRUNED_BLOCKS = 'pruned_blocks';
/** The checksum of the tables' definitions. */
export const SCHEMA_CHECKSUM = 'schema';

export function readMeta(database: Database, key: string): number {
  return new MetaTable(database).get(key);
}

/** Whether the log has the tables for consumers. */
export function hasConsumers(numbers: Numbers): boolean {
  return CONSUMERS_COUNT in numbers;
}

/** Whether the log has the tables of format 5. */
export function hasSchedules(numbers: Numbers): boolean {
  return SCHEDULED_COUNT in numbers;
}

/** Whether the log has the table of payload files, which came to format 5. */
export function hasPayloadFiles(numbers: Numbers): boolean {
  return PAYLOAD_FILES_COUNT in numbers;
}

/** Whether the log has the table and the column of expiries. */
export function hasExpiries(numbers: Numbers): boolean {
  return EXPIRIES_COUNT in numbers;
}

/** Whether rows have the checksums that this program writes. */
export function isChecked(numbers: Numbers): boolean {
  return CHECKED_FROM in numbers;
}
