import type {
  DuePublish,
  ShardScheduled,
  StoredSchedule,
  WaitingPlace,
  WaitingTimes,
} from '../scheduled.js';
import type { Database } from './driver/driver.js';
import type { LogHealth } from './log-health.js';
import type { OpenBatch } from './open-batch.js';
import { ScheduleTable } from './scheduled/schedule-table.js';
import { WaitingTable } from './scheduled/waiting-table.js';

/** What a shard keeps for later in SQLite, written in the transaction of the batch. */
export class SqliteScheduled implements ShardScheduled {
  readonly #waiting: WaitingTable;
  readonly #schedules: ScheduleTable;
  readonly #batch: OpenBatch;
  readonly #health: LogHealth;

  constructor(database: Database, batch: OpenBatch, health: LogHealth) {
    this.#waiting = new WaitingTable(database);
    this.#schedules = new ScheduleTable(database);
    this.#batch = batch;
    this.#health = health;
  }

  get waiting(): number {
    return this.#waiting.count;
  }

  get firstDue(): number {
    return this.#health.guard('reading', () => this.#waiting.firstDue);
  }

  put(bytes: Buffer, offset: number, times: WaitingTimes): void {
    this.#write(() => this.#waiting.put(bytes, offset, times));
  }

  find(bytes: Buffer, offset: number): number | undefined {
    if (this.#waiting.count === 0) return undefined;
    return this.#health.guard('reading', () => this.#waiting.find(bytes, offset));
  }

  due(until: number, limit: number): DuePublish[] {
    return this.#health.guard('reading', () => this.#waiting.due(until, limit));
  }

  remove(number: number): void {
    this.#write(() => this.#waiting.remove(number));
  }

  page(after: WaitingPlace, limit: number): DuePublish[] {
    return this.#health.guard('reading', () => this.#waiting.page(after, limit));
  }

  withId(id: string, topic: string | undefined, after: WaitingPlace, limit: number): DuePublish[] {
    return this.#health.guard('reading', () => this.#waiting.withId(id, topic, after, limit));
  }

  schedules(onDamage: (reason: string, name?: string) => void): StoredSchedule[] {
    return this.#health.guard('reading', () => this.#schedules.load(onDamage));
  }

  putSchedule(schedule: StoredSchedule): void {
    this.#write(() => this.#schedules.put(schedule));
  }

  removeSchedule(name: string): void {
    this.#write(() => this.#schedules.remove(name));
  }

  /** Writes the numbers of rows, in the batch's transaction. */
  finish(): void {
    this.#waiting.finish();
    this.#schedules.finish();
  }

  commit(): void {
    this.#waiting.commit();
    this.#schedules.end();
  }

  /** The batch is undone, or about to be. */
  rollback(): void {
    this.#waiting.rollback();
    this.#schedules.end();
  }

  #write(work: () => void): void {
    const batch = this.#batch;
    if (!batch.isOpen) batch.open(false);
    batch.run('storing what is to be published later in', work);
  }
}
