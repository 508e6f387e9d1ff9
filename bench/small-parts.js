import { createHash } from 'node:crypto';
import { Bench } from 'tinybench';
import { monotonicFactory } from 'ulid';
import { eventIds } from '../dist/endpoint/publish/event-ids.js';
import { EventRecordEncoder, EventRecordView } from '../dist/record/event-record.js';
import { NameCache, recordNames } from '../dist/record/name-cache.js';
import { DedupeKeys } from '../dist/store/sqlite/dedupe/dedupe-key.js';
import { check } from './harness.js';
import { makeInput, Random, topicNames } from './load.js';

/**
 * Parts that run once for every event, each compared with the plain way to do it, to show why they are our own code. No
 * bus, no disk, one thread; ns per event, the median of many short runs.
 */

const RECORDS = 1024;
const TOPICS = 1000;

const { bytes, offsets } = makeRecords();
const view = new EventRecordView();
const names = new NameCache(recordNames);
const ids = new Map();
const keys = new DedupeKeys();
const makeId = eventIds();
const makeUlid = monotonicFactory();

for (const offset of offsets) {
  const { topic, type, source } = names.of(bytes, offset);
  view.wrap(bytes, offset);
  check(topic === view.topic && type === view.type && source === view.source, 'names differ');
}

const bench = new Bench({ time: 500 });
bench.add('names by their bytes', () => {
  for (const offset of offsets) names.of(bytes, offset);
});
bench.add('names as strings, found in a map', () => {
  for (const offset of offsets) {
    view.wrap(bytes, offset);
    for (const name of [view.topic, view.type, view.source]) {
      if (ids.get(name) === undefined) ids.set(name, ids.size);
    }
  }
});
bench.add('an id of ours', () => {
  for (let i = 0; i < RECORDS; i += 1) makeId();
});
bench.add('an id of the package ulid', () => {
  for (let i = 0; i < RECORDS; i += 1) makeUlid();
});
bench.add('a key of the dedupe window', () => {
  for (const offset of offsets) keys.ofRecord(view.wrap(bytes, offset));
});
bench.add('the same by node:crypto, SHA-1', () => {
  for (const offset of offsets) {
    view.wrap(bytes, offset);
    createHash('sha1')
      .update(bytes.subarray(view.topicStart, view.topicEnd))
      .update(bytes.subarray(view.idStart, view.idEnd))
      .digest();
  }
});
await bench.run();

for (const { name, result } of bench.tasks) {
  check(result.state === 'completed', `${name} did not complete`);
  const nanoseconds = (result.latency.p50 * 1e6) / RECORDS;
  process.stdout.write(`${name.padEnd(36)} ${nanoseconds.toFixed(0).padStart(6)} ns\n`);
}

function makeRecords() {
  const encoder = new EventRecordEncoder();
  const random = new Random(1);
  const topics = topicNames(TOPICS);
  const memory = Buffer.from(new SharedArrayBuffer(RECORDS * 512));
  const starts = [];
  let offset = 0;
  for (let n = 0; n < RECORDS; n += 1) {
    const { topic, type, source, payload } = makeInput(topics[random.below(TOPICS)] ?? '', n);
    Object.assign(encoder, {
      topic,
      type,
      source,
      id: makeUlidOf(n),
      payload: JSON.stringify(payload),
    });
    encoder.measure();
    starts.push(offset);
    offset += (encoder.writeTo(memory, offset) + 7) & ~7;
  }
  return { bytes: memory, offsets: starts };
}

/** @param {number} n */
function makeUlidOf(n) {
  return `01ARZ3NDEKTSV4RRFFQ69${String(n).padStart(5, '0')}`;
}
