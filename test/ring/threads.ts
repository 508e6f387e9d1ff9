/** Starts the worker scripts of these tests and waits for their ends. */
import { once } from 'node:events';
import { Worker, type WorkerOptions } from 'node:worker_threads';

export type ThreadScript = 'producer-thread' | 'consumer-thread' | 'ping-pong-thread';

export interface ThreadStart {
  script: ThreadScript;
  data: object;
  transferList?: NonNullable<WorkerOptions['transferList']>;
}

/** Resolves when all threads have ended by themselves. If one throws, ends the others and rejects. */
export async function runThreads(...starts: ThreadStart[]): Promise<void> {
  const workers = starts.map(start);
  try {
    await Promise.all(workers.map((worker) => once(worker, 'exit')));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function start({ script, data, transferList = [] }: ThreadStart): Worker {
  const url = new URL(`./${script}.mjs`, import.meta.url);
  return new Worker(url, { workerData: data, transferList });
}
