import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { connect } from '../../../dist/client.js';
import { attachBus } from '../../../dist/index.js';

/**
 * A responder in a thread of its own, or in a process with the server's URL: squares numbers, and never answers
 * `stuck`.
 */
const isThread = parentPort !== null;
const bus = isThread ? attachBus(workerData) : connect(process.argv[2]);
const say = (word) => (isThread ? parentPort.postMessage(word) : writeSync(1, `${word}\n`));

const responder = bus.respond('math.*', ({ payload }) => {
  if (payload !== 'stuck') return payload ** 2;
  say('stuck');
  return new Promise(() => {});
});
await responder.ready;
say('ready');
