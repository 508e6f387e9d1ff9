import type { RingPosition } from '../shard-log.js';
import type { Database, Statement } from './driver/driver.js';

/** How far each endpoint's publish ring is in the log, written in the same transaction as the events. */
export class RingPositionTable {
  readonly #replace: Statement<[string, number, number]>;
  readonly #select: Statement<[], RingPosition>;
  readonly #delete: Statement<[]>;

  constructor(database: Database) {
    this.#replace = database.prepare(
      'INSERT OR REPLACE INTO ring_positions (endpoint, position, first_sequence) VALUES (?, ?, ?)',
    );
    this.#select = database.prepare<[], RingPosition>(
      'SELECT endpoint, position, first_sequence AS firstSequence FROM ring_positions',
    );
    this.#delete = database.prepare('DELETE FROM ring_positions');
  }

  write(positions: readonly RingPosition[]): void {
    for (const { endpoint, position, firstSequence } of positions) {
      this.#replace.run(endpoint, position, firstSequence);
    }
  }

  all(): RingPosition[] {
    return this.#select.all();
  }

  clear(): void {
    this.#delete.run();
  }
}
