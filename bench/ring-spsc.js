/**
 * Topology: main → worker → main, one ring each way, one producer and one consumer per ring.
 *
 * Main sends numbered records of 269 bytes, the worker copies each into the other ring, and main reads them and checks
 * number, length and sum. Neither end parks, so this measures the rings and not the waiting.
 *
 * node bench/ring-spsc.js [events] [runs]
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { RING_BYTES } from '../dist/protocol/limits/links.js';
import { createRing, RING_FULL, RingConsumer, RingProducer } from '../dist/ring/ring.js';

const RECORD_LENGTH = 269;
const RECORD_TYPE = 1;
/** How many records are read before their room is released. */
const BATCH = 256;

if (isMainThread) await main();
else echo(workerData);

async function main() {
  const events = Number(process.argv[2] ?? 2_000_000);
  const runs = Number(process.argv[3] ?? 5);
  const cores = availableParallelism();
  console.log(`ring-spsc: main → worker → main, ${RECORD_LENGTH}-byte records, ${cores} cores`);
  if (cores < 2) console.log('warning: two busy threads share one core; the figures mean little');
  const rates = [];
  for (let run = 1; run <= runs; run++) {
    const rate = await measure(events);
    rates.push(rate);
    console.log(`run ${run}: ${format(rate)} events/s round trip`);
  }
  rates.sort((a, b) => a - b);
  console.log(`median ${format(rates[rates.length >> 1])}, best ${format(rates.at(-1))} events/s`);
}

async function measure(events) {
  const there = createRing(RING_BYTES);
  const back = createRing(RING_BYTES);
  const worker = new Worker(fileURLToPath(import.meta.url), {
    workerData: { there, back, events },
  });
  const ended = new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', resolve);
  });
  await new Promise((resolve) => worker.on('online', resolve));
  const startedAt = performance.now();
  exchange(new RingProducer(there), new RingConsumer(back), events);
  const elapsedMs = performance.now() - startedAt;
  await ended;
  return (events / elapsedMs) * 1000;
}

function exchange(producer, consumer, events) {
  const body = Buffer.alloc(RECORD_LENGTH, 'm');
  let sent = 0;
  let received = 0;
  let sum = 0;
  const check = (type, bytes, offset, length) => {
    const number = bytes.readUInt32LE(offset);
    if (type !== RECORD_TYPE || length !== RECORD_LENGTH || number !== received) {
      throw new Error(`record ${number} of type ${type}, ${length} bytes, came as ${received}`);
    }
    sum += number + bytes[offset + length - 1];
    received++;
  };
  while (received < events) {
    for (let i = 0; i < BATCH && sent < events; i++) {
      const offset = producer.tryClaim(RECORD_LENGTH);
      if (offset === RING_FULL) break;
      producer.bytes.set(body, offset);
      producer.bytes.writeUInt32LE(sent, offset);
      producer.commit(RECORD_TYPE);
      sent++;
    }
    consumer.read(check, BATCH);
    consumer.release();
  }
  const expected = (events * (events - 1)) / 2 + events * body[RECORD_LENGTH - 1];
  if (sum !== expected) throw new Error(`the sum is ${sum}, not ${expected}`);
}

function echo({ there, back, events }) {
  const consumer = new RingConsumer(there);
  const producer = new RingProducer(back);
  let count = 0;
  const copy = (type, bytes, offset, length) => {
    const target = producer.tryClaim(length);
    if (target === RING_FULL) return false;
    bytes.copy(producer.bytes, target, offset, offset + length);
    producer.commit(type);
    count++;
    return true;
  };
  while (count < events) {
    consumer.read(copy, BATCH);
    consumer.release();
  }
}

function format(rate) {
  return `${(rate / 1e6).toFixed(2)} M`;
}
