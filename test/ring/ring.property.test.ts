/**
 * Compares a ring with a plain queue, in one thread, where the test can choose every interleaving. The model holds the
 * records that are committed and not released, and how many of them were read. Either end may be replaced at any time,
 * as after a crash.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRing, RING_FULL, RingConsumer, RingProducer } from '../../src/ring/ring.js';
import { writeRecord } from './records.mjs';

type Step =
  | { do: 'commit'; length: number; unused: number }
  | { do: 'abort'; length: number }
  | { do: 'read'; limit: number; refuseAt: number; throwAt: number }
  | { do: 'release' }
  | { do: 'replaceProducer'; claimFirst: number }
  | { do: 'replaceConsumer'; resumeFrom: number };

interface ModelRecord {
  type: number;
  bytes: Buffer;
  /** The consumer's position behind the record, known once the record was read. */
  end: number | undefined;
  /** Where the record was read, to check that nobody writes there before the release. */
  seenAt: number;
}

const length = fc.nat({ max: 56 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('commit'), length, unused: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort'), length }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('read'),
      limit: fc.nat(6),
      refuseAt: fc.integer({ min: -1, max: 6 }),
      throwAt: fc.integer({ min: -1, max: 12 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('release') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replaceProducer'), claimFirst: length }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('replaceConsumer'), resumeFrom: fc.nat(8) }),
  },
);

class RingUnderTest {
  readonly #buffer: SharedArrayBuffer;
  readonly #unreleased: ModelRecord[] = [];
  #producer: RingProducer;
  #consumer: RingConsumer;
  #readCount = 0;
  #number = 0;

  constructor(capacity: number, initialPosition: number) {
    this.#buffer = createRing(capacity, initialPosition);
    this.#producer = new RingProducer(this.#buffer, 2);
    this.#consumer = new RingConsumer(this.#buffer);
  }

  run(step: Step): void {
    if (step.do === 'commit') this.#commit(step.length, step.unused);
    else if (step.do === 'abort') this.#abort(step.length);
    else if (step.do === 'read') this.#read(step.limit, step.refuseAt, step.throwAt);
    else if (step.do === 'release') this.#release();
    else if (step.do === 'replaceProducer') this.#replaceProducer(step.claimFirst);
    else this.#replaceConsumer(step.resumeFrom);
    this.#check();
  }

  #commit(wanted: number, unused: number): void {
    const claimed = Math.min(wanted, this.#producer.maxRecordLength);
    const offset = this.#tryClaim(claimed);
    if (offset === RING_FULL) return;
    const committed = Math.max(0, claimed - unused);
    const bytes = Buffer.alloc(committed);
    const type = this.#number++;
    writeRecord(bytes, 0, committed, 1, type);
    this.#producer.bytes.fill(0xff, offset, offset + claimed);
    bytes.copy(this.#producer.bytes, offset);
    this.#producer.commit(type, committed);
    this.#unreleased.push({ type, bytes, end: undefined, seenAt: -1 });
  }

  #abort(wanted: number): void {
    const claimed = Math.min(wanted, this.#producer.maxRecordLength);
    const offset = this.#tryClaim(claimed);
    if (offset !== RING_FULL) this.#producer.bytes.fill(0xaa, offset, offset + claimed);
    this.#producer.abort();
  }

  /** Claims. A refusal is right only if the record and its padding may not fit, and required if they cannot. */
  #tryClaim(claimed: number): number {
    const span = (claimed + 8 + 7) & ~7;
    const free = this.#producer.capacity - this.#producer.usedBytes;
    const offset = this.#producer.tryClaim(claimed);
    if (free >= 2 * span - 8) expect(offset).not.toBe(RING_FULL);
    if (free < span) expect(offset).toBe(RING_FULL);
    return offset;
  }

  #read(limit: number, refuseAt: number, throwAt: number): void {
    const before = this.#readCount;
    const available = this.#unreleased.length - before;
    const handler = (type: number, bytes: Buffer, offset: number, length: number) => {
      const taken = this.#readCount - before;
      if (taken === throwAt) throw new Error('thrown by the handler');
      if (taken === refuseAt) return false;
      const record = this.#unreleased[this.#readCount]!;
      expect([type, length]).toEqual([record.type, record.bytes.length]);
      expect(bytes.compare(record.bytes, 0, length, offset, offset + length)).toBe(0);
      record.seenAt = offset;
      this.#readCount++;
      return true;
    };
    const stop = refuseAt < 0 ? available : Math.min(refuseAt, available);
    const expected = Math.min(limit, stop);
    // The handler is called for the record that it refuses, but not for one beyond the limit or the last one.
    const isCalledAgain = throwAt >= 0 && throwAt < Math.min(limit, available) && throwAt <= stop;
    if (isCalledAgain) expect(() => this.#consumer.read(handler, limit)).toThrow('thrown by');
    else expect(this.#consumer.read(handler, limit)).toBe(expected);
    expect(this.#readCount - before).toBe(isCalledAgain ? throwAt : expected);
    const last = this.#unreleased[this.#readCount - 1];
    if (this.#readCount > before && last) last.end = this.#consumer.position;
  }

  #release(): void {
    this.#consumer.release();
    this.#unreleased.splice(0, this.#readCount);
    this.#readCount = 0;
  }

  #replaceProducer(claimFirst: number): void {
    const claimed = Math.min(claimFirst, this.#producer.maxRecordLength);
    const offset = this.#tryClaim(claimed);
    if (offset !== RING_FULL) this.#producer.bytes.fill(0xdd, offset, offset + claimed);
    this.#producer = new RingProducer(this.#buffer, 2);
  }

  /** The next consumer resumes behind a record that the last one has read, or where that one released. */
  #replaceConsumer(resumeFrom: number): void {
    this.#consumer = new RingConsumer(this.#buffer);
    this.#readCount = 0;
    const record = this.#unreleased[resumeFrom];
    if (record?.end === undefined) return;
    this.#consumer.seek(record.end);
    this.#readCount = resumeFrom + 1;
  }

  #check(): void {
    const rest = this.#unreleased.length - this.#readCount;
    expect(this.#consumer.isEmpty()).toBe(rest === 0);
    expect(this.#consumer.releasedPosition).toBe(this.#producer.consumerPosition);
    if (this.#unreleased.length === 0) expect(this.#producer.usedBytes).toBe(0);
    for (const { bytes, seenAt } of this.#unreleased) {
      if (seenAt < 0) continue;
      const inRing = this.#producer.bytes.subarray(seenAt, seenAt + bytes.length);
      expect(inRing.compare(bytes)).toBe(0);
    }
  }
}

describe('a ring', () => {
  it('behaves like a plain queue under any sequence of calls', () => {
    const capacity = fc.constantFrom(64, 128, 256);
    const start = fc.integer({ min: -16, max: 16 }).map((words) => (2 ** 31 + words * 8) | 0);
    const steps = fc.array(step, { maxLength: 120 });
    fc.assert(
      fc.property(capacity, start, steps, (bytes, position, list) => {
        const ring = new RingUnderTest(bytes, position);
        for (const step of list) ring.run(step);
      }),
      { numRuns: 500 },
    );
  });
});
