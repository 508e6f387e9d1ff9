import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Actors } from '../checker/actors/actors.js';
import { doorOf } from '../checker/actors/doors.js';
import { planOf } from '../checker/plan.js';
import { openOn } from './store.js';

/**
 * A node: `node node.js OPTIONS`, which are `{ name, seed, changes, dist, store, folder, port, phase }`. It opens a bus on the
 * broker, serves it, and has actors. It may die at any moment; then it is started again. While the broker is away a
 * bus does not open: the node tries again, as whatever starts services does.
 */
const { name, seed, changes, dist, store, folder, port, phase } = JSON.parse(process.argv[2]);
// Nobody waits for a process whose parent has ended, which may have happened while this one started.
process.on('disconnect', () => process.exit(0));
if (!process.connected) process.exit(0);
const AGAIN_MS = 200;
/** Of an opening that failed as the broker was away. */
const AWAY = new Set(['STORE_FAILED', 'TIMEOUT']);

const plan = planOf(seed, changes);
const tell = (message) => process.send?.(message, undefined, undefined, () => {});
const log = join(folder, '..', `${name}.log`);
const note = (text) => appendFileSync(log, `${new Date().toISOString()} ${process.pid} ${text}\n`);

/** @type {Actors | undefined} */
let actors;
let current = phase;
let bus;

async function enter(next) {
  current = next;
  actors?.enter(next);
  if (next !== 'end') return;
  await bus?.close();
  process.exit(0);
}
process.on('message', (/** @type {{ phase: string }} */ message) => enter(message.phase));

async function open() {
  for (;;) {
    try {
      return await openOn(dist, store, {
        ...plan.bus,
        onError: (error) => note(`${error.code} ${error.stack}`),
      });
    } catch (error) {
      note(`does not open: ${error.code} ${error.message}`);
      if (!AWAY.has(error.code)) throw error;
    }
    await pass(AGAIN_MS);
  }
}

bus = await open();
const gateway = await bus.serve({ port, host: '127.0.0.1', dashboard: false });
gateway.closed.catch((error) => {
  console.error(error);
  process.exit(1);
});
note(`open in epoch ${bus.epoch}`);
const { withPayloadText } = await import(pathToFileURL(join(dist, 'client.js')).href);
actors = new Actors({ bus: doorOf(bus, withPayloadText), plan, host: name, folder, tell });
actors.run();
await enter(current);
tell({ ready: true, url: gateway.url });
