import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { createRing, RingConsumer } from '../../src/ring/ring.js';
import { PARKS, STORED_COUNT, TIMEOUTS, WORDS_BYTES } from './records.mjs';
import { runThreads } from './threads.js';

/** 4 KiB before the position wraps as an int32. */
const BEFORE_WRAP = 2 ** 31 - 4096;

describe('a ring with its ends in two threads', () => {
  const shapes = [
    { capacity: 64, recordShare: 2, records: 20_000 },
    { capacity: 128, recordShare: 2, records: 30_000 },
    { capacity: 256, recordShare: 4, records: 40_000 },
    { capacity: 4096, recordShare: 8, records: 60_000 },
  ];
  it.each(shapes)('carries $records records through $capacity bytes, past 2^31', async (shape) => {
    const ring = createRing(shape.capacity, BEFORE_WRAP);
    const memory = new SharedArrayBuffer(WORDS_BYTES);
    const data = {
      ring,
      memory,
      seed: shape.capacity,
      from: 0,
      to: shape.records,
      recordShare: shape.recordShare,
      lengthMax: shape.capacity / shape.recordShare - 8,
    };
    await runThreads({ script: 'producer-thread', data }, { script: 'consumer-thread', data });
    const words = new Int32Array(memory);
    expect(words[STORED_COUNT]).toBe(shape.records);
    expect(words[PARKS]).toBeGreaterThan(0);
    expect(words[TIMEOUTS]).toBe(0);
    const consumer = new RingConsumer(ring);
    expect(consumer.isEmpty()).toBe(true);
    expect(consumer.position).toBeLessThan(0);
  });

  it('keeps long records in order among the others', async () => {
    const memory = new SharedArrayBuffer(WORDS_BYTES);
    const ring = createRing(1024, BEFORE_WRAP);
    const data = { memory, ring, seed: 9, from: 0, to: 20_000, lengthMax: 400 };
    const { port1, port2 } = new MessageChannel();
    await runThreads(
      { script: 'producer-thread', data: { ...data, port: port1 }, transferList: [port1] },
      { script: 'consumer-thread', data: { ...data, port: port2 }, transferList: [port2] },
    );
    const words = new Int32Array(memory);
    expect(words[STORED_COUNT]).toBe(20_000);
    expect(words[TIMEOUTS]).toBe(0);
  });
});
