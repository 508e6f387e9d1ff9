import type { BusError } from '../../protocol/errors.js';
import type { DeadState, ShardConsumers, StoredDeadEvent, StoredLane } from '../consumer-states.js';
import type { DeadTable } from './consumers/dead-table.js';
import type { StateTable } from './consumers/state-table.js';
import type { LogHealth } from './log-health.js';
import type { OpenBatch } from './open-batch.js';

/** The state of a shard's consumers in SQLite, written in the transaction of the batch. */
export class SqliteConsumers implements ShardConsumers {
  readonly isAtomic = true;
  readonly #states: StateTable;
  readonly #dead: DeadTable;
  readonly #batch: OpenBatch;
  readonly #health: LogHealth;

  constructor(states: StateTable, dead: DeadTable, batch: OpenBatch, health: LogHealth) {
    this.#states = states;
    this.#dead = dead;
    this.#batch = batch;
    this.#health = health;
  }

  load(): StoredLane[] {
    return this.#health.guard('reading', () => {
      this.#dead.assertComplete();
      return this.#states.load();
    });
  }

  put(lane: StoredLane): void {
    this.#write(() => this.#states.put(lane));
  }

  remove(consumer: string): boolean {
    let isMore = false;
    this.#write(() => {
      this.#states.remove(consumer);
      isMore = this.#dead.removeSome(consumer);
    });
    return isMore;
  }

  removeLanes(consumer: string, from: number): void {
    this.#write(() => this.#states.removeFrom(consumer, from));
  }

  putDead(event: StoredDeadEvent): void {
    this.#write(() => this.#dead.put(event));
  }

  changeDead(consumer: string, sequence: number, state: DeadState): void {
    this.#write(() => this.#dead.change(consumer, sequence, state));
  }

  removeDead(consumer: string, sequence: number): void {
    this.#write(() => this.#dead.remove(consumer, sequence));
  }

  dead(consumer: string, after: number, limit: number): StoredDeadEvent[] {
    return this.#health.guard('reading', () => this.#dead.page(consumer, after, limit));
  }

  deadAt(consumer: string, sequence: number): StoredDeadEvent | undefined {
    return this.#health.guard('reading', () => this.#dead.at(consumer, sequence));
  }

  deadState(consumer: string, sequence: number): DeadState | undefined {
    return this.#dead.stateOf(consumer, sequence);
  }

  redriven(consumer: string): number[] {
    return this.#dead.redriven(consumer);
  }

  lettersDueCount(consumer: string): number {
    return this.#dead.dueCountOf(consumer);
  }

  deadCount(consumer: string): number {
    return this.#dead.countOf(consumer);
  }

  lettersDue(
    limit: number,
    isWanted?: (consumer: string, sequence: number) => boolean,
    onDamage?: (error: BusError) => void,
  ): StoredDeadEvent[] {
    return this.#health.guard('reading', () => this.#dead.due(limit, isWanted, onDamage));
  }

  get deadForgotten(): number {
    return this.#dead.forgotten;
  }

  #write(work: () => void): void {
    const batch = this.#batch;
    if (!batch.isOpen) batch.open(false);
    batch.run('storing the state of consumers in', work);
  }
}
