/** Sets the system clock of its own process, and prints how its bus has reacted. */
import { writeFileSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

const [dir] = process.argv.slice(2);
const HOUR = 3_600_000;
const setClock = (ms) => writeFileSync(process.env.CLOCK_FILE, String(ms));
const told = [];
const options = {
  dir,
  shards: 2,
  retention: [
    { pattern: 'old.*', maxAgeMs: HOUR },
    { pattern: 'few.*', maxEvents: 2 },
  ],
  onError: ({ code, details }) => told.push([code, details?.shard, details?.kind]),
};
const event = (topic, id) => ({ topic, type: 'note', payload: 1, ...(id && { id }) });
const untilTold = async (kind) => {
  while (!told.some(([, , one]) => one === kind)) await new Promise((r) => setTimeout(r, 5));
};

let bus = await openBus(options);
await bus.publish(event('old.a', 'order-1'));
setClock(24 * HOUR);
await untilTold('put forward');
// Once these are pruned, retention has also checked the age of events.
await bus.publishMany(Array.from({ length: 5 }, () => event('few.a')));
for (let left = 5; left > 1; [{ events: left }] = await bus.topics('few.*'));
const repeated = await bus.publish(event('old.a', 'order-1'));
await bus.publish(event('new.a'));
const { shards } = await bus.stats();
setClock(0);
await bus.publish(event('new.b'));
await bus.close();
bus = await openBus(options);
await bus.publish(event('new.c'));
const events = await bus.query({ topic: '*' });
await bus.close();
const now = Date.now();
const result = {
  told,
  repeated: repeated.duplicate,
  ahead: shards.map(({ clockAheadMs }) => Math.round(clockAheadMs / HOUR)),
  topics: events.map(({ topic }) => topic).sort(),
  furthestOffMs: Math.max(...events.map(({ timestamp }) => Math.abs(Date.parse(timestamp) - now))),
};
process.stdout.write(JSON.stringify(result));
