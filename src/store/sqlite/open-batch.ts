import type { BusError } from '../../protocol/errors.js';
import type { WriteConnection } from './connection/write-connection.js';
import type { LogHealth } from './log-health.js';

export interface BatchHost {
  /** Removes the batch from every structure in memory. */
  undo(): void;
  /** The batch found no room. */
  onFull(): void;
}

/**
 * The batch that a log has open, from its first event or row to its commit. A failure inside it is kept until `commit`,
 * which throws it; everything else of the batch is then left undone.
 */
export class OpenBatch {
  isOpen = false;
  failure: BusError | undefined;
  /** The sequence that the next event gets. */
  next = 1;
  /** The recorded time of the newest event. */
  recordedAt = 0;
  readonly #connection: WriteConnection;
  readonly #health: LogHealth;
  readonly #host: BatchHost;

  /** Call `end` before the first batch. */
  constructor(connection: WriteConnection, health: LogHealth, host: BatchHost) {
    this.#connection = connection;
    this.#health = health;
    this.#host = host;
  }

  /** Begins a batch; `synced` if its first record asks for a flush. */
  open(synced: boolean): void {
    this.isOpen = true;
    this.failure = this.#health.broken;
    this.run('beginning a batch in', () => this.#connection.begin(synced, this.next - 1));
  }

  /** Does a part of the batch, unless it has failed. */
  run(doing: string, work: () => void): void {
    if (this.failure !== undefined) return;
    try {
      work();
    } catch (error) {
      this.fail(error, doing);
    }
  }

  /** Keeps the failure and undoes the batch. */
  fail(error: unknown, doing: string): void {
    this.failure = this.#health.judge(error, doing);
    if (this.failure.code === 'STORE_FULL') this.#host.onFull();
    this.undo();
  }

  /** Undoes the batch in every structure in memory and in SQLite, which may have rolled back by itself. */
  undo(): void {
    this.#host.undo();
    try {
      this.#connection.rollback();
    } catch (error) {
      this.#health.end(error, 'rolling back');
    }
  }

  /** Ends the batch. The next one begins behind what is committed: up to `head`, recorded up to `recordedAt`. */
  end(head: number, recordedAt: number): void {
    this.isOpen = false;
    this.failure = undefined;
    this.next = head + 1;
    this.recordedAt = recordedAt;
  }
}
