import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { BusError } from '../../../protocol/errors.js';
import { messageOf } from '../../../protocol/thrown.js';
import { threadFlags } from '../../../threads/exec-argv.js';
import type { Page, PageRequest } from '../../page.js';
import type { ReaderAnswer, ReaderTask } from './reader-worker.js';

/**
 * History, read by threads of their own over read-only connections, so that no query stalls a shard. The threads
 * start with the first task and end when they have been idle; a task is one short look, so a reader never
 * keeps a checkpoint waiting for long.
 */
export interface LogReadersOptions {
  /** Default 2. */
  readonly threadsMax?: number;
  /** Default 10 s. */
  readonly idleTimeoutMs?: number;
}

type ReaderPool = Piscina<ReaderTask, ReaderAnswer>;

const THREADS_MAX = 2;
const IDLE_TIMEOUT_MS = 10_000;
/** Looks that may wait for a thread; more is the caller's error, whose own bounds are far below. */
const QUEUE_MAX = 65_536;

export class LogReaders {
  readonly #dir: string;
  readonly #shards: number;
  readonly #options: LogReadersOptions;
  #pool: ReaderPool;
  /** Pools that were given up and still have threads at work. */
  /** Why the last one was given up. */
  #failure: unknown;
  readonly #retired = new Set<Promise<void>>();
  #isClosed = false;

  constructor(dir: string, shards: number, options: LogReadersOptions = {}) {
    this.#dir = dir;
    this.#shards = shards;
    this.#options = options;
    this.#pool = this.#newPool();
  }

  /** One look; go on from `page.next` until `page.done`. Decode it with `decodePage`. */
  async page(shard: number, request: PageRequest): Promise<Page> {
    const answer = await this.#run(shard, { dir: this.#dir, shard, request });
    if ('page' in answer) return answer.page;
    throw unexpected(answer);
  }

  /** The last sequence recorded before a time in ms since 1970; 0 if there is none. */
  async positionAt(shard: number, timeMs: number): Promise<number> {
    const answer = await this.#run(shard, { dir: this.#dir, shard, timeMs });
    if ('position' in answer) return answer.position;
    throw unexpected(answer);
  }

  /** Waits for the looks that are under way. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([this.#pool.close(), ...this.#retired]);
  }

  #newPool(): ReaderPool {
    const pool: ReaderPool = new Piscina({
      filename: fileURLToPath(new URL('./reader-worker.js', import.meta.url)),
      minThreads: 0,
      maxThreads: this.#options.threadsMax ?? THREADS_MAX,
      idleTimeout: this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      maxQueue: QUEUE_MAX,
      ...threadFlags(),
    });
    // A thread could not be started, or died between two looks.
    pool.on('error', (error) => this.#retire(pool, error));
    return pool;
  }

  /**
   * A thread that has failed once may fail for good, since modules that could not be loaded stay so: the next look begins
   * with fresh ones. What still waits for the old threads is answered by those that are left, or refused.
   */
  #retire(pool: ReaderPool, error: unknown): void {
    if (this.#isClosed) return;
    if (pool === this.#pool) {
      this.#failure = error;
      this.#pool = this.#newPool();
    }
    const ended = pool.threads.length === 0 ? pool.destroy() : pool.close();
    this.#retired.add(ended);
    void ended.finally(() => this.#retired.delete(ended));
  }

  async #run(shard: number, task: ReaderTask): Promise<ReaderAnswer> {
    if (this.#isClosed) throw new BusError('BUS_CLOSED', 'the log readers are closed');
    if (!Number.isInteger(shard) || shard < 0 || shard >= this.#shards) {
      throw new BusError(
        'QUERY_INVALID',
        `there is no shard ${shard}, only 0 to ${this.#shards - 1}`,
      );
    }
    const pool = this.#pool;
    let answer: ReaderAnswer;
    try {
      answer = await pool.run(task);
    } catch (error) {
      if (this.#isClosed) throw new BusError('BUS_CLOSED', 'the log readers are closed');
      // Where none is left to run it, the pool says so of a task, and why of the thread.
      const cause = pool === this.#pool ? error : this.#failure;
      this.#retire(pool, error);
      throw new BusError('STORE_FAILED', `a reader thread failed: ${messageOf(cause)}`, { cause });
    }
    if ('error' in answer) throw BusError.from(answer.error);
    return answer;
  }
}

function unexpected(answer: ReaderAnswer): BusError {
  return new BusError('STORE_FAILED', `a reader answered ${Object.keys(answer).join()}`);
}
