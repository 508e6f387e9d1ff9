import { EventRecordView } from '../../record/event-record.js';
import type { RingPosition, RingPositions } from '../shard-log.js';
import type { DedupeWindow } from './dedupe/dedupe-window.js';
import type { Database, Statement } from './driver/driver.js';
import type { LogHealth } from './log-health.js';

/**
 * How far the log has stored each endpoint's publish ring and its settlements, written in the same transaction as the
 * events.
 */
export class RingPositionTable implements RingPositions {
  readonly #health: LogHealth;
  readonly #dedupe: DedupeWindow;
  readonly #put: Statement<[string, number, number, number]>;
  readonly #select: Statement<[], RingPosition>;
  readonly #delete: Statement<[]>;
  readonly #view = new EventRecordView();

  constructor(database: Database, health: LogHealth, dedupe: DedupeWindow) {
    this.#health = health;
    this.#dedupe = dedupe;
    this.#put = database.prepare(
      `INSERT INTO ring_positions (endpoint, position, first_sequence, settled) VALUES (?, ?, ?, ?)
       ON CONFLICT (endpoint) DO UPDATE SET
         position = iif(excluded.position > 0, excluded.position, position),
         first_sequence = iif(excluded.position > 0, excluded.first_sequence, first_sequence),
         settled = iif(excluded.settled > 0, excluded.settled, settled)`,
    );
    this.#select = database.prepare<[], RingPosition>(
      'SELECT endpoint, position, first_sequence AS firstSequence, settled FROM ring_positions',
    );
    this.#delete = database.prepare('DELETE FROM ring_positions');
  }

  write(positions: readonly RingPosition[]): void {
    for (const { endpoint, position, firstSequence, settled } of positions) {
      this.#put.run(endpoint, position, firstSequence, settled);
    }
  }

  stored(): RingPosition[] {
    return this.#select.all();
  }

  clear(): void {
    this.#health.guard('writing', () => this.#delete.run());
  }

  findAtLastCommit(bytes: Buffer, offset: number): number {
    return this.#dedupe.findLoaded(this.#view.wrap(bytes, offset));
  }
}
