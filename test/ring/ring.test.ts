import { describe, expect, it } from 'vitest';
import { createRing, RING_FULL, RingConsumer, RingProducer } from '../../src/ring/ring.js';
import { CONSUMER_TOTAL } from '../../src/ring/ring-descriptor.js';

const CAPACITY = 128;
const SHARE = 2;

function pair(initialPosition = 0) {
  const buffer = createRing(CAPACITY, initialPosition);
  return {
    buffer,
    producer: new RingProducer(buffer, SHARE),
    consumer: new RingConsumer(buffer),
  };
}

function put(producer: RingProducer, type: number, length = 8): boolean {
  const offset = producer.tryClaim(length);
  if (offset === RING_FULL) return false;
  producer.bytes.fill(type, offset, offset + length);
  producer.commit(type);
  return true;
}

function take(consumer: RingConsumer, limit = Number.POSITIVE_INFINITY): number[] {
  const types: number[] = [];
  consumer.read((type, bytes, offset, length) => {
    expect(bytes.subarray(offset, offset + length)).toEqual(Buffer.alloc(length, type));
    types.push(type);
  }, limit);
  return types;
}

describe('a ring', () => {
  it.each([0, 32, 100, 96, 2 ** 29, 1.5, Number.NaN, -64])('refuses %d bytes', (capacity) => {
    expect(() => createRing(capacity)).toThrow(RangeError);
  });

  it('refuses an initial position that is not aligned', () => {
    expect(() => createRing(64, 4)).toThrow('position 4');
  });

  it('refuses to attach to memory that is not a ring', () => {
    const buffer = new SharedArrayBuffer(1000);
    expect(() => new RingProducer(buffer)).toThrow('232');
    expect(() => new RingConsumer(buffer)).toThrow('232');
  });

  it('lets a record take an eighth of the ring by default, and never more than half', () => {
    const buffer = createRing(4096);
    expect(new RingProducer(buffer).maxRecordLength).toBe(504);
    expect(new RingProducer(buffer, 2).maxRecordLength).toBe(2040);
    expect(() => new RingProducer(buffer, 1)).toThrow('1/2 of a ring, not 1/1');
  });

  it('refuses misuse, and names the offending values', () => {
    const { producer } = pair();
    expect(() => producer.commit(1)).toThrow('nothing is claimed');
    for (const length of [57, -1, Number.NaN]) {
      expect(() => producer.tryClaim(length)).toThrow(`not ${length}`);
    }
    producer.tryClaim(8);
    expect(() => producer.tryClaim(16)).toThrow('a claim of 8 bytes');
    for (const length of [9, -1]) {
      expect(() => producer.commit(1, length)).toThrow(`${length} bytes committed of 8`);
    }
    expect(() => producer.commit(-1)).toThrow('type -1');
  });

  it('shows a record only once it is committed, with the committed length', () => {
    const { producer, consumer } = pair();
    const offset = producer.tryClaim(20);
    producer.bytes.fill(7, offset, offset + 20);
    expect(consumer.isEmpty()).toBe(true);
    producer.commit(7, 5);
    expect(consumer.isEmpty()).toBe(false);
    expect(take(consumer)).toEqual([7]);
    expect(consumer.position).toBe(16);
  });

  it('takes back an aborted claim', () => {
    const { producer, consumer } = pair();
    producer.tryClaim(40);
    producer.abort();
    producer.abort();
    expect(producer.usedBytes).toBe(0);
    expect(put(producer, 3)).toBe(true);
    expect(take(consumer)).toEqual([3]);
  });

  it('stays full until the consumer releases, even if it has read', () => {
    const { producer, consumer } = pair(2 ** 31 - 64);
    let count = 0;
    while (put(producer, count)) count++;
    expect({ count, used: producer.usedBytes }).toEqual({ count: 8, used: CAPACITY });
    expect(take(consumer, 3)).toEqual([0, 1, 2]);
    expect(put(producer, 9)).toBe(false);
    expect(consumer.release()).toBe(false);
    expect([put(producer, 9), put(producer, 10), put(producer, 11), put(producer, 12)]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(take(consumer)).toEqual([3, 4, 5, 6, 7, 9, 10, 11]);
  });

  it('takes at once a record that fills the released room to the last byte', () => {
    const { producer, consumer } = pair();
    for (let type = 0; type < 8; type++) put(producer, type);
    take(consumer, 1);
    consumer.release();
    expect([put(producer, 8), put(producer, 9)]).toEqual([true, false]);
  });

  it('tells the consumer once that the producer waits, and only after room was made', () => {
    const { producer, consumer } = pair();
    expect(consumer.release()).toBe(false);
    put(producer, 1);
    producer.setWaiting();
    expect(consumer.release()).toBe(false);
    expect(producer.isWaiting).toBe(true);
    take(consumer);
    expect(consumer.release()).toBe(true);
    expect(producer.isWaiting).toBe(false);
    put(producer, 2);
    take(consumer);
    expect(consumer.release()).toBe(false);
  });

  it('lets a new consumer wake the producer that a dead one left waiting', () => {
    const { buffer, producer, consumer } = pair();
    put(producer, 1);
    take(consumer);
    consumer.release();
    producer.setWaiting();
    expect(new RingConsumer(buffer).release()).toBe(true);
  });

  it('reads no further than the position that the consumer saw', () => {
    const { producer, consumer } = pair(2 ** 31 - 16);
    put(producer, 1);
    const seen = consumer.look();
    put(producer, 2);
    put(producer, 3);
    expect(consumer.seenPosition).toBe(seen);
    const types: number[] = [];
    const handler = (type: number) => void types.push(type);
    expect(consumer.read(handler, 10, seen)).toBe(1);
    expect(consumer.read(handler, 10, seen)).toBe(0);
    expect(consumer.read(handler, 10, consumer.look())).toBe(2);
    expect(types).toEqual([1, 2, 3]);
    expect(consumer.seenPosition).toBe(producer.position);
  });

  it('counts for its consumer the bytes that are committed and not released', () => {
    const { producer, consumer } = pair(2 ** 31 - 16);
    expect(consumer.usedBytes).toBe(0);
    for (const type of [1, 2, 3]) put(producer, type);
    take(consumer, 2);
    expect(consumer.usedBytes).toBe(48);
    consumer.release();
    expect(consumer.usedBytes).toBe(16);
  });

  it('stops before the record that its handler refuses', () => {
    const { producer, consumer } = pair();
    for (const type of [1, 2, 3]) put(producer, type);
    expect(consumer.read((type) => type !== 2, 10)).toBe(1);
    expect(consumer.position).toBe(16);
    expect(take(consumer)).toEqual([2, 3]);
  });

  it('keeps the records read before the handler threw, and reads that record again', () => {
    const { producer, consumer } = pair();
    for (const type of [1, 2, 3]) put(producer, type);
    const handler = (type: number): void => {
      if (type === 2) throw new Error('two');
    };
    expect(() => consumer.read(handler, 10)).toThrow('two');
    consumer.release();
    expect(producer.consumerPosition).toBe(16);
    expect(take(consumer)).toEqual([2, 3]);
  });

  it('never counts padding as read without the record behind it', () => {
    const { buffer, producer, consumer } = pair();
    for (const type of [1, 2, 3]) put(producer, type, 24);
    take(consumer);
    consumer.release();
    put(producer, 4, 40);
    consumer.read(() => false, 1);
    expect(consumer.position).toBe(96);
    expect(take(consumer)).toEqual([4]);
    expect(consumer.position).toBe(CAPACITY + 48);
    const next = new RingConsumer(buffer);
    expect(() => next.seek(CAPACITY)).toThrow(RangeError);
    next.seek(CAPACITY + 48);
    expect(next.isEmpty()).toBe(true);
  });

  it('seeks forwards to the end of a committed record and nowhere else', () => {
    const { buffer, producer, consumer } = pair(2 ** 31 - 32);
    for (const type of [1, 2, 3]) put(producer, type);
    take(consumer, 2);
    const next = new RingConsumer(buffer);
    next.seek(next.position);
    const { position } = consumer;
    for (const wrong of [position + 8, position - 8, position + 64, 2 ** 31 - 48]) {
      expect(() => next.seek(wrong)).toThrow(`position ${wrong}`);
    }
    next.seek(position);
    expect(() => next.seek(2 ** 31 - 32 - 2 ** 32)).toThrow(RangeError);
    expect(take(next)).toEqual([3]);
    next.release();
    expect(producer.usedBytes).toBe(0);
  });

  it('seeks over padding, whatever an earlier lap has left there', () => {
    const { buffer, producer, consumer } = pair();
    for (const type of [1, 2]) put(producer, type, 56);
    take(consumer);
    consumer.release();
    for (const type of [3, 4, 5]) put(producer, type, 24);
    take(consumer);
    consumer.release();
    put(producer, 6, 40);
    const next = new RingConsumer(buffer);
    next.seek(producer.position);
    expect(next.position).toBe(2 * CAPACITY + 48);
    expect(next.isEmpty()).toBe(true);
  });

  it('lets a new producer go on after one that died in the middle of a claim', () => {
    const { buffer, producer, consumer } = pair();
    put(producer, 1, 50);
    const offset = producer.tryClaim(50);
    producer.bytes.fill(0xff, offset, offset + 50);
    const next = new RingProducer(buffer, SHARE);
    expect(next.position).toBe(64);
    expect(next.generation).not.toBe(producer.generation);
    expect(consumer.read(() => true, 10)).toBe(1);
    put(next, 2, 30);
    expect(take(consumer)).toEqual([2]);
  });

  it('keeps the watermark, the mark and the refusal for both sides and across a crash', () => {
    const { buffer, producer, consumer } = pair(2 ** 31 - 64);
    expect(consumer.mark).toBe(2 ** 31 - 64);
    expect(consumer.durableWatermark).toBe(0);
    producer.durableWatermark = 2 ** 40 + 1;
    consumer.mark = -8;
    consumer.markedAt = 1.5;
    consumer.refuse(3);
    const next = new RingConsumer(buffer);
    expect([next.mark, next.durableWatermark]).toEqual([-8, 2 ** 40 + 1]);
    expect([next.markedAt, next.refusal]).toEqual([1.5, 3]);
    expect(next.refusedUntil).toBe(consumer.position);
    expect(producer.durableWatermark).toBe(2 ** 40 + 1);
  });
});

describe('the total of a ring', () => {
  it('goes on counting where positions wrap, also with a new consumer', () => {
    const start = 2 ** 33 - 1024;
    const { buffer, producer } = pair(start);
    let consumer = new RingConsumer(buffer);
    for (let n = 1; n <= 300; n++) {
      put(producer, n & 127);
      take(consumer);
      expect(consumer.totalPosition).toBe(start + 16 * n);
      expect(consumer.totalPosition | 0).toBe(consumer.position);
      consumer.release();
      if (n % 7 === 0) consumer = new RingConsumer(buffer);
    }
  });

  it('follows the position if a consumer died between writing the two', () => {
    const start = 2 ** 32 - 16;
    const { buffer, producer } = pair(start);
    put(producer, 1);
    put(producer, 2);
    new Float64Array(buffer)[CONSUMER_TOTAL] = start + 32;
    const consumer = new RingConsumer(buffer);
    expect(consumer.totalPosition).toBe(start);
    expect(take(consumer)).toEqual([1, 2]);
    expect(consumer.totalPosition).toBe(start + 32);
  });
});
