import { closeSync, openSync, writeSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

/**
 * A process of its own that uses up its file descriptors and calls a bus meanwhile. Prints how each call ended, then
 * and after the descriptors were given back.
 */
const bus = await openBus({ dir: process.argv[2], shards: 1, onError: () => {} });
const event = { topic: 'a', type: 'chat_message', payload: 1 };
await bus.publish(event);

const CALLS = {
  query: () => bus.query({ topic: 'a' }),
  subscribe: () => bus.subscribe('a', () => {}, { from: { last: 1 } }).ready,
  backup: (at) => bus.backup(`${process.argv[2]}-backup-${at}`),
  serve: () => bus.serve({ port: 0 }).then((gateway) => gateway.close()),
};

async function outcomes(at) {
  const told = {};
  for (const [name, call] of Object.entries(CALLS)) {
    told[name] = await call(at).then(
      () => 'done',
      (error) => (error.name === 'BusError' ? error.code : `${error.name}: ${error.message}`),
    );
  }
  return told;
}

const held = [];
try {
  for (;;) held.push(openSync('/dev/null'));
} catch {
  // As many as the process may have.
}
const published = await bus.publish(event);
const without = await outcomes('without');
for (const descriptor of held) closeSync(descriptor);
const later = await outcomes('later');
await bus.close();
writeSync(1, JSON.stringify({ published: published.sequence, without, later }));
