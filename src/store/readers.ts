import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { BusError } from '../protocol/errors.js';
import { threadFlags } from '../threads/exec-argv.js';
import type { Page, PageRequest } from './page.js';
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

const THREADS_MAX = 2;
const IDLE_TIMEOUT_MS = 10_000;
/** Looks that may wait for a thread; more is the caller's error, whose own bounds are far below. */
const QUEUE_MAX = 65_536;

export class LogReaders {
  readonly #dir: string;
  readonly #shards: number;
  readonly #pool: Piscina<ReaderTask, ReaderAnswer>;
  #isClosed = false;

  constructor(dir: string, shards: number, options: LogReadersOptions = {}) {
    this.#dir = dir;
    this.#shards = shards;
    this.#pool = new Piscina({
      filename: fileURLToPath(new URL('./reader-worker.js', import.meta.url)),
      minThreads: 0,
      maxThreads: options.threadsMax ?? THREADS_MAX,
      idleTimeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      maxQueue: QUEUE_MAX,
      ...threadFlags(),
    });
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
    await this.#pool.close();
  }

  async #run(shard: number, task: ReaderTask): Promise<ReaderAnswer> {
    if (this.#isClosed) throw new BusError('BUS_CLOSED', 'the log readers are closed');
    if (!Number.isInteger(shard) || shard < 0 || shard >= this.#shards) {
      throw new BusError(
        'QUERY_INVALID',
        `there is no shard ${shard}, only 0 to ${this.#shards - 1}`,
      );
    }
    let answer: ReaderAnswer;
    try {
      answer = await this.#pool.run(task);
    } catch (error) {
      if (this.#isClosed) throw new BusError('BUS_CLOSED', 'the log readers are closed');
      const reason = error instanceof Error ? error.message : String(error);
      throw new BusError('STORE_FAILED', `a reader thread failed: ${reason}`, { cause: error });
    }
    if ('error' in answer) throw BusError.from(answer.error);
    return answer;
  }
}

function unexpected(answer: ReaderAnswer): BusError {
  return new BusError('STORE_FAILED', `a reader answered ${Object.keys(answer).join()}`);
}
