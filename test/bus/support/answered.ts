import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Bus } from '../../../src/main/bus.js';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { openTestBus } from './open.js';
import { DEADLINE_MS } from './wait.js';

/** A bus on which another thread answers each event on `ask`, in every shard. */
export interface AnsweredBus {
  readonly bus: Bus;
  /** Blocks this thread until that many answers are stored. */
  waitForAnswers(count: number): void;
  close(): Promise<void>;
}

export const SHARDS = 3;

/** A topic of each shard: `answer.0`, `answer.1` … */
export const ANSWERS = Array.from({ length: SHARDS }, (_, shard) => topicIn(shard, 'answer'));
export const ASKS = Array.from({ length: SHARDS }, (_, shard) => topicIn(shard, 'ask'));

export async function openAnsweredBus(): Promise<AnsweredBus> {
  const bus = await openTestBus({ shards: SHARDS });
  const { data, transferList } = bus.attachment();
  const stored = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('./answerer.js', import.meta.url), {
    workerData: { attachment: data, stored: stored.buffer, topics: ANSWERS },
    transferList: [...transferList],
  });
  await once(worker, 'message');
  return {
    bus,
    waitForAnswers(count) {
      const until = performance.now() + DEADLINE_MS;
      for (let now = Atomics.load(stored, 0); now < count; now = Atomics.load(stored, 0)) {
        if (performance.now() > until) throw new Error(`only ${now} of ${count} answers`);
        Atomics.wait(stored, 0, now, 100);
      }
    },
    async close() {
      await worker.terminate();
    },
  };
}

function topicIn(shard: number, name: string): string {
  for (let n = 0; ; n++) if (shardOf(`${name}.${n}`, SHARDS) === shard) return `${name}.${n}`;
}
