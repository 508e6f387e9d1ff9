import { writeSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

/**
 * A process of its own whose `onError` throws, when a subscription ends that cannot keep up. Prints how often the error
 * was uncaught, how often `onError` was called while a ring was being read, and how many of 100 events another
 * subscription got.
 */
let uncaught = 0;
let whileReading = 0;
Error.stackTraceLimit = 100;
process.on('uncaughtException', () => {
  uncaught++;
});
const bus = await openBus({
  dir: ':memory:',
  shards: 1,
  onError() {
    // If handling a record of the ring throws, the record is not read, and nothing behind it is handed out.
    if (new Error().stack.includes('RecordReceiver')) whileReading++;
    throw new Error('my own mistake');
  },
});
const received = [];
await bus.subscribe('t', ({ payload }) => void received.push(payload)).ready;
const slow = bus.subscribe('t', () => new Promise(() => {}), {
  overflow: 'disconnect',
  maxBuffer: 1,
});
await slow.ready;
const inputs = Array.from({ length: 100 }, (_, n) => ({
  topic: 't',
  type: 'chat_message',
  payload: n,
}));
await bus.publishMany(inputs);
const { code } = await slow.closed.catch((error) => error);
await bus.drain();
writeSync(1, JSON.stringify({ uncaught, whileReading, code, received: received.length }));
await bus.close();
