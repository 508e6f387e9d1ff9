/**
 * Reads and checks records up to number `to`, as a shard does: it "stores" the ring position with the number of records
 * that it has processed, and only then releases. On demand it dies before it stores or before it releases.
 */
import { workerData } from 'node:worker_threads';
import { BufferInbox } from '../../dist/ring/buffer-inbox.js';
import { RecordReceiver } from '../../dist/ring/record-channel.js';
import { RingConsumer } from '../../dist/ring/ring.js';
import { AtomicsWaitStrategy, Doorbell, wakeParked } from '../../dist/ring/wait.js';
import * as records from './records.mjs';

const { ring, memory, port, to, die, ringsDoorbell } = workerData;
const words = new Int32Array(memory);
const wait = new AtomicsWaitStrategy(words, records.CONSUMER_PARKED);
const doorbell = new Doorbell(words, records.PRODUCER_PARKED);
const consumer = new RingConsumer(ring);
const receiver =
  port === undefined ? consumer : new RecordReceiver(consumer, new BufferInbox(port));

let count = Atomics.load(words, records.STORED_COUNT);
if (count > 0) consumer.seek(Atomics.load(words, records.STORED_POSITION));
release();

const check = (type, bytes, offset, length) => {
  records.checkRecord(type, bytes, offset, length, workerData, count);
  count++;
};

const hasNothing = () => consumer.isEmpty();
for (let turn = 0; count < to; turn++) {
  const wanted = 1 + (records.randomBits(count, turn) % 5);
  receiver.read(check, Math.min(wanted, to - count));
  if (die?.how === 'read' && count >= die.at) process.exit(0);
  Atomics.store(words, records.STORED_POSITION, consumer.position);
  Atomics.store(words, records.STORED_COUNT, count);
  if (die?.how === 'stored' && count >= die.at) process.exit(0);
  release();
  if (consumer.isEmpty() && count < to) {
    records.countWait(words, wait.idle(hasNothing, records.WAIT_MS));
  }
}

function release() {
  if (!receiver.release()) return;
  if (ringsDoorbell) doorbell.ring(port);
  else wakeParked(words, records.PRODUCER_PARKED);
}
