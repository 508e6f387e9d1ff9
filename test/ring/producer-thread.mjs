/** Sends the records `from` to `to` and ends, or dies at the record and in the way that `die` names. */
import { workerData } from 'node:worker_threads';
import { RecordSender } from '../../dist/ring/record-channel.js';
import { RING_FULL, RingProducer } from '../../dist/ring/ring.js';
import { AtomicsWaitStrategy, Doorbell, wakeParked } from '../../dist/ring/wait.js';
import * as records from './records.mjs';

const { ring, memory, port, seed, from, to, lengthMax, recordShare, die, ringsDoorbell } =
  workerData;
const words = new Int32Array(memory);
const wait = new AtomicsWaitStrategy(words, records.PRODUCER_PARKED);
const doorbell = new Doorbell(words, records.CONSUMER_PARKED);
const producer = new RingProducer(ring, recordShare);
/** Dies after it has posted a buffer, which it then spoils, and before its reference is committed. */
const mortalPort = {
  postMessage(message) {
    port.postMessage(message);
    if (die?.how !== 'posted' || number < die.at) return;
    sender.bytes.fill(0xdd, sender.offset);
    process.exit(0);
  },
};
const sender = port === undefined ? bareSender() : new RecordSender(producer, mortalPort);

const isWaiting = () => producer.isWaiting;

let number = from;
for (; number < to; number++) {
  const length = records.recordLength(seed, number, lengthMax);
  // Some claims are longer than the record committed, and some are aborted first.
  const surplus = Math.min(number % 3, Math.max(0, producer.maxRecordLength - length));
  claim(length + surplus);
  if (number % 7 === 0) {
    sender.bytes.fill(0xee, sender.offset, sender.offset + length);
    sender.abort();
    claim(length + surplus);
  }
  if (die?.how === 'claimed' && number >= die.at) {
    sender.bytes.fill(0xdd, sender.offset, sender.offset + length);
    process.exit(0);
  }
  records.writeRecord(sender.bytes, sender.offset, length, seed, number);
  sender.commit(records.recordType(seed, number), length);
  wakeConsumer();
}

function claim(length) {
  while (!sender.tryClaim(length)) {
    producer.setWaiting();
    if (sender.tryClaim(length)) return;
    records.countWait(words, wait.idle(isWaiting, records.WAIT_MS));
  }
}

function wakeConsumer() {
  if (ringsDoorbell) doorbell.ring(port);
  else wakeParked(words, records.CONSUMER_PARKED);
}

/** The interface of a `RecordSender` over a ring without a port. */
function bareSender() {
  return {
    bytes: producer.bytes,
    offset: 0,
    tryClaim(length) {
      this.offset = producer.tryClaim(length);
      return this.offset !== RING_FULL;
    },
    commit: (type, length) => producer.commit(type, length),
    abort: () => producer.abort(),
  };
}
