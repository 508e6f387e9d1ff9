import { on, once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { controls } from '../bus/support/millrace.js';
import { openTestBus } from '../bus/support/open.js';

test('a worker that is busy while its shard is replaced misses no event that is published meanwhile', async () => {
  const bus = await openTestBus({ shards: 1 });
  const { data, transferList } = bus.attachment();
  const worker = new Worker(new URL('./busy-worker.mjs', import.meta.url), {
    workerData: { attachment: data },
    transferList: [...transferList],
  });
  await once(worker, 'message');
  const word = new Int32Array(new SharedArrayBuffer(4));
  const busy = once(worker, 'message');
  worker.postMessage(word);
  await busy;
  const told = on(worker, 'message');
  await controls(bus).killShard(0);
  const event = { topic: 't', type: 'worker_progress', payload: null };
  for (let n = 0; n < 100; n++) await bus.publish(event);
  Atomics.store(word, 0, 1);
  Atomics.notify(word, 0);
  const sequences: number[] = [];
  for await (const [{ sequence }] of told) {
    sequences.push(sequence);
    if (sequence === 100) break;
  }
  expect(sequences).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  await worker.terminate();
});
