import { writeFileSync, writeSync } from 'node:fs';

/**
 * A process whose flushes fail: see `test/support/forgetful-disk.c`. `failed-flush.js DIR SUFFIX reader|alone`: fails
 * the next flush of the file whose name ends in SUFFIX, goes on publishing, prints its acks as lines of JSON, and kills
 * itself.
 */
const { openBus } = await import(process.env.MILLRACE ?? '../../../dist/index.js');
const [, , dir, suffix, readers, mode = 'once'] = process.argv;

const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

const bus = await openBus({ dir, shards: 1, systemEvents: false, onError: () => {} });
let n = 0;

async function publish(durability, size = 40) {
  const payload = { n: n++, pad: 'x'.repeat(size) };
  const input = { topic: 'a', type: 't', payload, id: `event-${payload.n}` };
  const ack = await bus.publish(input, { durability }).catch((error) => error);
  say({ n: payload.n, durability: ack.durability, code: ack.code });
}

await publish('synced');
// The reader keeps the file open, and with it the index of the write-ahead log.
if (readers === 'reader') await bus.query({ topic: 'a' });
for (let i = 0; i < 3; i++) await publish('written');
writeFileSync(process.env.DISK_FAULT, `${mode} ${suffix}`);
// Enough for a checkpoint where the file itself is to fail.
const size = suffix === '.db' ? 200_000 : 40;
for (let i = 0; i < 30; i++) await publish(i % 3 === 0 ? 'synced' : 'written', size);
await publish('synced');
const [{ restarts, state }] = (await bus.stats()).shards;
say({ restarts, state });
process.kill(process.pid, 'SIGKILL');
