import { matchesPattern } from '../../protocol/topic.js';
import type { ArchiveGate, KeptFrom, PatternTotals, PruneRequest, PruneStep } from '../pruning.js';
import type { ShardPruning } from '../shard-log.js';
import type { WriteConnection } from './connection/write-connection.js';
import type { LogHealth } from './log-health.js';
import type { OpenBatch } from './open-batch.js';
import type { Retention } from './retention/retention.js';
import type { Upkeep } from './upkeep.js';

const keepAll: KeptFrom = () => 0;

/** The parts of the log that take part in removals. */
export interface Pruned {
  readonly retention: Retention;
  readonly upkeep: Upkeep;
  readonly connection: WriteConnection;
  readonly batch: OpenBatch;
  readonly health: LogHealth;
  /** The last committed sequence. */
  readonly head: () => number;
}

/** Removes events from a log in SQLite, outside batches, in transactions of its own. */
export class SqlitePruning implements ShardPruning {
  readonly #parts: Pruned;

  constructor(parts: Pruned) {
    this.#parts = parts;
  }

  pruneStep(now: number, keptFrom: KeptFrom = keepAll, gate?: ArchiveGate): boolean {
    const { batch, health, upkeep, head } = this.#parts;
    if (batch.isOpen || health.broken !== undefined) return false;
    const more = health.guard('pruning', () => upkeep.pruneByRules(now, head(), keptFrom, gate));
    this.#noteCommit();
    return more;
  }

  totals(pattern: string): PatternTotals {
    return this.#parts.retention.totals((topic) => matchesPattern(pattern, topic));
  }

  prune(request: PruneRequest, gate?: ArchiveGate): PruneStep {
    const { health, upkeep, head } = this.#parts;
    const matches = (topic: string): boolean => matchesPattern(request.pattern, topic);
    const step = health.guard('pruning', () => upkeep.prune(request, matches, head(), gate));
    this.#noteCommit();
    return step;
  }

  #noteCommit(): void {
    const { health, connection, head } = this.#parts;
    health.guard('noting a commit to', () => connection.noteCommit(head()));
  }
}
