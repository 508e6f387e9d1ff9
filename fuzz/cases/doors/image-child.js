import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Opens the directories that its parent names, one after the other, as `millrace verify` and a bus do, and says what became
 * of each. A process of its own, as a damaged file may end it.
 *
 *   node image-child.js DIST
 */
const dist = process.argv[2];
const load = (file) => import(pathToFileURL(join(dist, file)).href);
const { openBus } = await load('index.js');
const { verifyDirectory } = await load('store/upkeep/verify.js');

process.on('message', async (/** @type {{ dir: string }} */ { dir }) => {
  const verified = await told(() =>
    [...verifyDirectory(dir)].filter(({ severity }) => severity === 'error'),
  );
  const opened = await told(() => useBus(dir));
  process.send?.({ verified, opened });
});

async function useBus(dir) {
  const bus = await openBus({ dir, systemEvents: false });
  try {
    const before = await told(() => bus.query({ topic: '*', limit: 1000 }));
    const ack = await told(() => bus.publish({ topic: 'after.it', type: 'note', payload: 'new' }));
    const after = await told(() => bus.query({ topic: 'after.it' }));
    return { before, ack, after };
  } finally {
    await bus.close();
  }
}

/** What a call gives, or its error as data. */
async function told(call) {
  try {
    return { value: await call() };
  } catch (error) {
    const { name, code, message, stack } = error;
    return { error: { name, code, message, stack } };
  }
}
