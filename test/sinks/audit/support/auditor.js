// Publishes events and audits them, until it is killed. Arguments: the directory, and how many events to publish or
// `drain`.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , root, dir, count] = process.argv;
const load = (name) => import(pathToFileURL(join(root, 'dist', name)).href);
const [{ openBus }, { audit }] = await Promise.all([load('index.js'), load('sinks.js')]);

const bus = await openBus({ dir: join(dir, 'bus'), shards: 2 });
const consumer = await bus.consumer('audit', {
  filter: 'a.*',
  from: 'earliest',
  maxAttempts: 1000,
});
const sink = audit({
  consumer,
  path: join(dir, 'trail'),
  rotateBytes: 20_000,
  onHead: ({ line }) => process.stdout.write(`${line}\n`),
});
if (count === 'drain') {
  for (;;) {
    const { pending } = await consumer.info();
    if (pending === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await sink.stop();
  await bus.close();
} else {
  await sink.ready;
  for (let n = 0; n < Number(count); n++) {
    const topics = ['a.1', 'a.2', 'a.3'];
    await bus.publishMany(topics.map((topic) => ({ topic, type: 'done', payload: n })));
  }
}
