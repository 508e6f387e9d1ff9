/** Answers each record of the other side with one of its own; waits by blocking. */
import { workerData } from 'node:worker_threads';
import { AtomicsWaitStrategy, Doorbell, wakeParked } from '../../dist/ring/wait.js';
import { countWait, WAIT_MS } from './records.mjs';

const { memory, rounds, own, other, port } = workerData;
const words = new Int32Array(memory);
const wait = new AtomicsWaitStrategy(words, own.parked);
const doorbell = new Doorbell(words, other.parked);

for (let round = 1; round <= rounds; round++) {
  const isIdle = () => Atomics.load(words, own.balls) < round;
  while (isIdle()) countWait(words, wait.idle(isIdle, WAIT_MS));
  Atomics.add(words, other.balls, 1);
  if (port === undefined) wakeParked(words, other.parked);
  else doorbell.ring(port);
}
