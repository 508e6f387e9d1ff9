import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BusError } from '../../../src/protocol/errors.js';
import type { StoredLane } from '../../../src/store/consumer-states.js';
import type { DeskCalls } from '../../../src/store/desk/desk-calls.js';
import { DeskLog } from '../../../src/store/desk/desk-log.js';
import type { Page, PageRequest } from '../../../src/store/page.js';
import { pageOf } from '../../../src/store/page-of.js';
import { record } from '../records.js';

/** A broker as a desk's log sees it: events, of which the first may be gone, and a journal. */
class Broker implements DeskCalls {
  readonly events: { sequence: number; recordedAt: number; bytes: Buffer }[] = [];
  prunedThrough = 0;
  journal: Uint8Array[] = [];
  looks = 0;
  compactions = 0;
  isFull = false;
  hasNoRoomForSnapshots = false;

  publish(count: number): void {
    for (let n = 0; n < count; n++) {
      const sequence = this.events.length + 1;
      this.events.push({ sequence, recordedAt: sequence, bytes: record({ id: `e${sequence}` }) });
    }
  }

  take(): readonly Uint8Array[] {
    return this.journal;
  }

  append(entry: Uint8Array): void {
    if (this.isFull) throw new BusError('STORE_FULL', 'no room');
    this.journal.push(entry);
  }

  compact(snapshot: readonly Uint8Array[]): void {
    if (this.hasNoRoomForSnapshots) throw new BusError('STORE_FULL', 'no room');
    this.compactions++;
    this.journal = [...snapshot];
  }

  page(request: PageRequest): Page {
    this.looks++;
    const { after, until = this.events.length } = request;
    const there = this.events.slice(Math.max(after, this.prunedThrough), until);
    const page = pageOf(there, request, this.events.length);
    const gone = after < this.prunedThrough ? Math.min(until, this.prunedThrough) : 0;
    return { ...page, prunedThrough: gone };
  }
}

function logOn(broker: Broker, head = () => broker.events.length): DeskLog {
  const log = new DeskLog({ shard: 0, calls: broker, head });
  onTestFinished(() => log.close());
  return log;
}

function laneAt(position: number): StoredLane {
  const counts = { acked: 1, redelivered: 0, lost: 0 };
  const place = { consumer: 'one', lane: 0, round: 1, position, leaseNext: 2 };
  return { ...place, ...counts, at: 1, open: Uint8Array.of(1) };
}

function read(log: DeskLog, after: number, limit: number, until?: number): number[] {
  const sequences: number[] = [];
  const request = { after, limit, ...(until === undefined ? {} : { until }) };
  const count = log.read(request, ({ sequence }) => void sequences.push(sequence));
  expect(count).toBe(sequences.length);
  return sequences;
}

describe('the log of a desk', () => {
  test('property: reads what the broker has, wherever reads begin and end', () => {
    const reads = fc.array(
      fc.record({
        after: fc.nat(3200),
        limit: fc.integer({ min: 1, max: 2000 }),
        until: fc.option(fc.nat(3200), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(reads, fc.nat(3000), fc.nat(3000), (wanted, count, pruned) => {
        const broker = new Broker();
        broker.publish(count);
        broker.prunedThrough = Math.min(pruned, count);
        const log = new DeskLog({ shard: 0, calls: broker, head: () => count });
        for (const { after, limit, until } of wanted) {
          const last = Math.min(until ?? count, count);
          const all = broker.events
            .map(({ sequence }) => sequence)
            .filter((one) => one > Math.max(after, broker.prunedThrough) && one <= last);
          expect(read(log, after, limit, until)).toEqual(all.slice(0, limit));
        }
        log.close();
      }),
      { numRuns: 60 },
    );
  });

  test('looks into the history once for reads that follow one another', () => {
    const broker = new Broker();
    broker.publish(1000);
    const log = logOn(broker);
    for (let after = 0; after < 1000; after += 100) {
      expect(read(log, after, 100)).toHaveLength(100);
    }
    expect(broker.looks).toBe(1);
  });

  test('goes on with its shard, and shows nothing that the shard has not delivered', () => {
    const broker = new Broker();
    let head = 3;
    const log = logOn(broker, () => head);
    broker.publish(5);
    expect([log.head, log.syncedHead, read(log, 0, 10)]).toEqual([3, 3, [1, 2, 3]]);
    head = 5;
    expect([log.head, read(log, 3, 10)]).toEqual([5, [4, 5]]);
  });

  test('knows what the broker has removed once a read has met it', () => {
    const broker = new Broker();
    broker.publish(10);
    broker.prunedThrough = 4;
    const log = logOn(broker);
    expect(read(log, 0, 10)).toEqual([5, 6, 7, 8, 9, 10]);
    expect([log.prunedThrough, log.prunedEvents, log.forgottenThrough]).toEqual([4, 4, 4]);
  });

  test('stores settlements and states in one entry, and nothing where nothing was put', () => {
    const broker = new Broker();
    const log = logOn(broker);
    log.commit(true, []);
    expect(broker.journal).toHaveLength(0);
    log.consumers.put(laneAt(7));
    log.commit(true, [{ endpoint: 'main', position: 0, firstSequence: 0, settled: 9 }]);
    expect(broker.journal).toHaveLength(1);
    const next = logOn(broker);
    expect(next.consumers.load()).toMatchObject([{ consumer: 'one', position: 7 }]);
    next.ringPositions.clear();
    expect(next.ringPositions.stored()).toMatchObject([{ endpoint: 'main', settled: 9 }]);
  });

  test('keeps the record of an event that dies', () => {
    const broker = new Broker();
    broker.publish(3);
    const log = logOn(broker);
    const death = {
      diedAt: 1,
      attempts: 1,
      times: 1,
      state: 0,
      cause: 'term',
      reason: '',
    } as const;
    log.consumers.putDead({ consumer: 'one', sequence: 2, ...death });
    log.commit(true, []);
    const kept = logOn(broker).consumers.deadAt('one', 2)?.record;
    expect(Buffer.from(kept ?? []).equals(broker.events[1]!.bytes)).toBe(true);
  });

  test('puts again who holds leases, where the broker had no room for it', () => {
    const broker = new Broker();
    const log = logOn(broker);
    log.consumers.holders.add('main');
    log.consumers.put(laneAt(7));
    broker.isFull = true;
    expect(() => log.commit(true, [])).toThrow('no room');
    broker.isFull = false;
    // As the desk does, which has not seen it stored.
    log.consumers.put(laneAt(7));
    log.commit(true, []);
    const next = logOn(broker);
    expect([...next.consumers.holders.all]).toEqual(['main']);
    expect(next.consumers.load()).toMatchObject([{ consumer: 'one', position: 7 }]);
  });

  test('goes on without a snapshot, where there is no room for one', () => {
    const broker = new Broker();
    broker.hasNoRoomForSnapshots = true;
    const log = logOn(broker);
    for (let n = 1; n <= 100; n++) {
      log.consumers.put({ ...laneAt(n), open: new Uint8Array(100_000) });
      log.commit(true, []);
    }
    expect(broker.compactions).toBe(0);
    expect(logOn(broker).consumers.load()).toMatchObject([{ position: 100 }]);
    broker.hasNoRoomForSnapshots = false;
    for (let n = 101; n <= 200; n++) {
      log.consumers.put({ ...laneAt(n), open: new Uint8Array(100_000) });
      log.commit(true, []);
    }
    expect(broker.compactions).toBeGreaterThan(0);
    expect(logOn(broker).consumers.load()).toMatchObject([{ position: 200 }]);
  });

  test('opens with a damaged journal, and leaves it as it is', () => {
    const broker = new Broker();
    broker.publish(3);
    const log = logOn(broker);
    log.consumers.put(laneAt(7));
    log.commit(true, []);
    const [whole] = broker.journal;
    const damaged = Uint8Array.from(whole!);
    damaged[damaged.length - 1]! ^= 1;
    broker.journal = [damaged];
    const next = logOn(broker);
    expect(() => next.consumers.load()).toThrow('an entry of the journal of consumers is damaged');
    expect(read(next, 0, 10)).toEqual([1, 2, 3]);
    next.commit(true, []);
    expect(broker.journal).toEqual([damaged]);
  });

  test('takes no publish', () => {
    expect(() => logOn(new Broker()).append()).toThrow('nobody publishes');
  });
});
