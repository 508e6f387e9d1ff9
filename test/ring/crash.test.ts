import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { BufferInbox } from '../../src/ring/buffer-inbox.js';
import { RecordReceiver, RecordSender } from '../../src/ring/record-channel.js';
import { createRing, type RecordHandler, RingConsumer, RingProducer } from '../../src/ring/ring.js';
import { MessagePortWaitStrategy, wakeParked } from '../../src/ring/wait.js';
import {
  CONSUMER_PARKED,
  checkRecord,
  countWait,
  PRODUCER_PARKED,
  recordLength,
  recordType,
  STORED_COUNT,
  TIMEOUTS,
  WAIT_MS,
  WORDS_BYTES,
  writeRecord,
} from './records.mjs';
import { runThreads, type ThreadStart } from './threads.js';

/** Records of 0 to 400 bytes, in a ring that takes up to 120, so that two in three are long records. */
const RUN = { seed: 11, lengthMax: 400, to: 3000 };
const RING_CAPACITY = 1024;

describe('a producer thread that dies', () => {
  it.each(['claimed', 'posted'])('leaves nothing of a record that it had only %s', async (how) => {
    const ring = createRing(RING_CAPACITY, 2 ** 31 - 4096);
    const memory = new SharedArrayBuffer(WORDS_BYTES);
    const reading = readOnEventLoop(ring, memory);
    let from = 0;
    for (const at of [100, 700, 1500, Number.POSITIVE_INFINITY]) {
      await runThreads(reading.producer({ from, die: { how, at } }));
      from = reading.committed();
    }
    expect(await reading.end).toBe(RUN.to);
    expect(new Int32Array(memory)[TIMEOUTS]).toBe(0);
  });
});

describe('a consumer thread that dies', () => {
  const deaths = [
    ['reads again the records that the dead one had not stored', 'read'],
    ['skips the records that the dead one had stored', 'stored'],
  ];
  it.each(deaths)('is replaced by one that %s', async (_, how) => {
    const ring = createRing(RING_CAPACITY, 2 ** 31 - 4096);
    const memory = new SharedArrayBuffer(WORDS_BYTES);
    const writing = writeOnEventLoop(ring, memory);
    for (const at of [100, 700, 1500, Number.POSITIVE_INFINITY]) {
      await runThreads(writing.consumer({ how, at }));
    }
    await writing.end;
    const words = new Int32Array(memory);
    expect(words[STORED_COUNT]).toBe(RUN.to);
    expect(words[TIMEOUTS]).toBe(0);
    writing.sender.dropPassed();
    expect(writing.sender.bytesInFlight).toBe(0);
  });
});

/** A consumer like an endpoint's: on an event loop, woken by a doorbell, relinked to each new producer. */
function readOnEventLoop(ring: SharedArrayBuffer, memory: SharedArrayBuffer) {
  const words = new Int32Array(memory);
  const consumer = new RingConsumer(ring);
  const wait = new MessagePortWaitStrategy(words, CONSUMER_PARKED);
  let link = new MessageChannel();
  const inbox = new BufferInbox(link.port2);
  const receiver = new RecordReceiver(consumer, inbox);
  wait.listen(link.port2, (message) => inbox.accept(message));
  let count = 0;
  const check: RecordHandler = (type, bytes, offset, length) => {
    checkRecord(type, bytes, offset, length, RUN, count);
    count++;
  };
  const isIdle = (): boolean => consumer.isEmpty() || receiver.isStalled;
  const run = async (): Promise<number> => {
    while (count < RUN.to) {
      receiver.read(check, 7);
      if (receiver.release()) wakeParked(words, PRODUCER_PARKED);
      if (count < RUN.to) countWait(words, await wait.idle(isIdle, WAIT_MS));
    }
    wait.unlisten(link.port2);
    link.port2.close();
    return count;
  };
  const end = run();
  return {
    end,
    /** The number of the record with which the next producer goes on. */
    committed: (): number => {
      const probe = new RingConsumer(ring);
      probe.seek(consumer.position);
      return count + probe.read(() => true, Number.POSITIVE_INFINITY);
    },
    producer: (life: object): ThreadStart => {
      const old = link.port2;
      link = new MessageChannel();
      inbox.relink(link.port2);
      wait.listen(link.port2, (message) => inbox.accept(message));
      wait.unlisten(old);
      old.close();
      const data = { ...RUN, ...life, ring, memory, port: link.port1, ringsDoorbell: true };
      return { script: 'producer-thread', data, transferList: [link.port1] };
    },
  };
}

/** A producer like an endpoint's: on an event loop, relinked to each new consumer. */
function writeOnEventLoop(ring: SharedArrayBuffer, memory: SharedArrayBuffer) {
  const words = new Int32Array(memory);
  const producer = new RingProducer(ring);
  const wait = new MessagePortWaitStrategy(words, PRODUCER_PARKED);
  let port: MessagePort = new MessageChannel().port1;
  const sender = new RecordSender(producer, port);
  const isIdle = (): boolean => producer.isWaiting;
  const claim = async (length: number): Promise<void> => {
    while (!sender.tryClaim(length)) {
      producer.setWaiting();
      if (sender.tryClaim(length)) return;
      countWait(words, await wait.idle(isIdle, WAIT_MS));
    }
  };
  const run = async (): Promise<void> => {
    for (let number = 0; number < RUN.to; number++) {
      const length = recordLength(RUN.seed, number, RUN.lengthMax);
      await claim(length);
      writeRecord(sender.bytes, sender.offset, length, RUN.seed, number);
      sender.commit(recordType(RUN.seed, number));
      wakeParked(words, CONSUMER_PARKED);
    }
    wait.unlisten(port);
  };
  const end = run();
  return {
    end,
    sender,
    consumer: (die: object): ThreadStart => {
      const channel = new MessageChannel();
      wait.unlisten(port);
      port.close();
      port = channel.port1;
      wait.listen(port, () => undefined);
      sender.relink(port);
      const data = { ...RUN, die, ring, memory, port: channel.port2, ringsDoorbell: true };
      return { script: 'consumer-thread', data, transferList: [channel.port2] };
    },
  };
}
