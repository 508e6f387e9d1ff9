import type { ExpiredEvent, ShardExpiry } from '../expiry.js';
import type { Pruned } from './sqlite-pruning.js';

/** Finds and removes events of a log in SQLite that have expired, outside batches. */
export class SqliteExpiry implements ShardExpiry {
  readonly #parts: Pruned;

  constructor(parts: Pruned) {
    this.#parts = parts;
  }

  get first(): number {
    const { health, retention } = this.#parts;
    if (health.broken !== undefined) return Number.POSITIVE_INFINITY;
    return health.guard('reading', () => retention.expired.first);
  }

  due(now: number): ExpiredEvent[] {
    const { health, retention } = this.#parts;
    return health.guard('reading', () => retention.expired.due(now));
  }

  remove(sequences: readonly number[]): number {
    const { batch, health, upkeep, retention, connection, head } = this.#parts;
    if (batch.isOpen) return 0;
    return health.guard('removing what has expired from', () => {
      const removed = upkeep.removal(() => retention.expired.remove(sequences, head()));
      if (removed > 0) connection.noteCommit(head());
      return removed;
    });
  }

  passOver(sequence: number): void {
    this.#parts.retention.expired.passOver(sequence);
  }
}
