import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/**
 * `DIR`: a process that makes the consumer `first`, and dies while it makes `second`: after the list was stored, and
 * before any shard is told.
 */
const [, , dir] = process.argv;

const { renameSync } = fs;
let isLast = false;
fs.renameSync = (from, to) => {
  renameSync(from, to);
  if (isLast && String(to).endsWith('consumers.json')) process.kill(process.pid, 'SIGKILL');
};
syncBuiltinESMExports();

const { openBus } = await import('../../../../dist/index.js');
const { parseConsumerOptions } = await import('../../../../dist/protocol/consumer-definition.js');

const bus = await openBus({ dir, shards: 2 });
const open = (name, options) =>
  bus.main.call('openConsumer', { name, ...parseConsumerOptions(options) });
await open('first', { filter: 'a' });
isLast = true;
await open('second', { filter: 'a', from: 'earliest' });
