/**
 * The entry of a shard's thread. An error that is thrown in its run ends the thread; main starts another on the same
 * rings.
 */
import { workerData } from 'node:worker_threads';
import type { ShardThreadData } from '../link/shard-mail.js';
import { ShardLife } from './shard-life.js';

const life = new ShardLife(workerData as ShardThreadData);
try {
  const run = await life.begin();
  await run.run();
  await life.end();
} catch (error) {
  await life.fail(error);
}
// What is left open would keep the thread alive, and main waits for its end.
if (life.mayLeaveOpen) process.exit();
