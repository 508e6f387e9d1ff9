// Publishes and forwards events until it is killed. Arguments: the root, the directory, the other bus's url, and
// `drain` or not.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , root, dir, url, mode] = process.argv;
const load = (name) => import(pathToFileURL(join(root, 'dist', name)).href);
const [{ openBus }, { forward }] = await Promise.all([load('index.js'), load('sinks.js')]);

const bus = await openBus({ dir, shards: 2 });
const consumer = await bus.consumer('to-there', {
  filter: 'a.*',
  from: 'earliest',
  order: 'topic',
  maxAttempts: 1000,
  backoffMs: [1],
});
const sink = forward({ consumer, to: { url }, here: 'here', there: 'there', onError: () => {} });
await sink.ready;
const topics = Array.from({ length: 20 }, (_, n) => `a.${n}`);
const done = () => process.stdout.write(`${sink.info().done}\n`);
if (mode === 'drain') {
  while ((await consumer.info()).pending > 0) await new Promise((r) => setTimeout(r, 5));
  await sink.stop();
  await bus.close();
} else {
  for (let n = 0; ; n++) {
    await bus.publishMany(topics.map((topic) => ({ topic, type: 'done', payload: n })));
    done();
  }
}
