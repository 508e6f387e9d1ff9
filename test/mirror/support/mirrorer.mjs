// Publishes into a mirror until it is killed. Arguments: the root, the mirror's directory, the remote bus's url, its name, and
// `drain` or not. Tells each ack on a line of its own, before the next publish.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , root, dir, url, here, mode] = process.argv;
const { openMirror } = await import(pathToFileURL(join(root, 'dist', 'index.js')).href);

const mirror = await openMirror({ dir, remote: { url }, here, there: 'hub', onError: () => {} });
if (mode === 'drain') {
  while ((await mirror.info()).waiting > 0) await new Promise((r) => setTimeout(r, 5));
  process.stdout.write('drained\n');
  // Until told that everything is there.
  for await (const _ of process.stdin) break;
  await mirror.close();
} else {
  for (let n = 0; ; n++) {
    const [{ id }] = await mirror.publishMany([
      { topic: `own.${n % 5}`, type: 'made', payload: { here, n } },
    ]);
    process.stdout.write(`${id} ${(await mirror.info()).mirrored}\n`);
  }
}
