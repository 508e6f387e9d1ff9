import { EventRecordView } from '../../record/event-record.js';
import type { RingPosition, RingPositions } from '../shard-log.js';
import type { DedupeWindow } from './dedupe/dedupe-window.js';
import type { Database, Statement } from './driver/driver.js';
import type { LogHealth } from './log-health.js';

/** How far the log has stored each endpoint's publish ring, written in the same transaction as the events. */
export class RingPositionTable implements RingPositions {
  readonly #health: LogHealth;
  readonly #dedupe: DedupeWindow;
  readonly #replace: Statement<[string, number, number]>;
  readonly #select: Statement<[], RingPosition>;
  readonly #delete: Statement<[]>;
  readonly #view = new EventRecordView();

  constructor(database: Database, health: LogHealth, dedupe: DedupeWindow) {
    this.#health = health;
    this.#dedupe = dedupe;
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
