/**
 * A worker process: `node worker.js URL DIARY CONCURRENCY NAME CLIENT`. It works for the consumer `jobs` until it is
 * killed, or told to stop by a line on its standard input. `CLIENT` is the module of the client.
 */
import { pathToFileURL } from 'node:url';
import { appender } from '../checker/history.js';
import { handlerOf } from './member.js';

const [url, diary, concurrency, name, client] = process.argv.slice(2);
const { connect } = await import(pathToFileURL(client).href);
const append = appender(diary);
const write = (line) => append(...line);

write(['start', process.pid]);
const bus = connect(url, {
  reconnectBaseMs: 50,
  reconnectFloorMs: 10,
  reconnectMaxMs: 500,
  // However long the server is away, the member comes.
  requestTimeoutMs: 0,
});
bus.on('state', ({ state }) => write(['state', state]));
const consumer = await bus.consumer('jobs');
const run = consumer.run(handlerOf(write), { concurrency: Number(concurrency), name });
run.closed.catch((error) => {
  write(['failed', String(error)]);
  process.exit(1);
});
process.stdin.once('data', async () => {
  await run.drain();
  await bus.close();
  write(['end']);
  process.exit(0);
});
