import { describe, expect, test } from 'vitest';
import type { HistorySource } from '../../../src/endpoint/read/history-source.js';
import { HistoryReader } from '../../../src/endpoint/subscribe/history.js';
import { BusError } from '../../../src/protocol/errors.js';
import { parseFilter } from '../../../src/protocol/filter.js';
import { READ_PAGE_BYTES } from '../../../src/protocol/limits/endpoint.js';
import { CREDIT_BYTES } from '../../../src/protocol/limits/links.js';
import type { Page, PageRequest } from '../../../src/store/page.js';
import { record } from '../../store/records.js';
import { FakeHost } from './subscription-host.js';

/** A page of this many events, the first behind `after`. */
function pageOf(after: number, count: number, payload: unknown, head: number): Page {
  const parts: Buffer[] = [];
  for (let sequence = after + 1; sequence <= after + count; sequence++) {
    const prefix = Buffer.alloc(16);
    prefix.writeDoubleLE(sequence, 0);
    parts.push(prefix, record({ topic: 't', payload }));
  }
  const bytes = Buffer.concat(parts);
  const records = new ArrayBuffer(bytes.length);
  bytes.copy(new Uint8Array(records));
  const next = after + count;
  return { records, count, next, done: next === head, head, prunedThrough: 0 };
}

/** One shard with a long log, and what was asked of its readers. */
function longLog(answer: (request: PageRequest) => Promise<Page>) {
  const requests: PageRequest[] = [];
  const source = {
    page: (_shard: number, request: PageRequest): Promise<Page> => {
      requests.push(request);
      return answer(request);
    },
    positionAt: async () => 0,
  };
  // The head is so far ahead that the shard does not take over.
  const control = { head: 1e9, archiveLeftThrough: 0 };
  const shard = { shard: 0, control, call: () => new Promise<never>(() => {}) };
  return {
    requests,
    reader: new HistoryReader(source as Partial<HistorySource> as HistorySource, [shard]),
  };
}

/** Resolves when all pending promises that need nothing from outside have run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('history', () => {
  test('that nobody reads is held within half the credit of a shard, in bytes', async () => {
    const payload = 'p'.repeat(200 * 1024);
    const { requests, reader } = longLog(async ({ after }) => {
      return requests.length > 40
        ? new Promise<never>(() => {})
        : pageOf(after, READ_PAGE_BYTES / (256 * 1024), payload, 1e9);
    });
    const subscription = new FakeHost().subscribe();
    const progress = subscription.progress[0]!;
    progress.mode = 'history';
    void reader.read(subscription, progress, false);
    await settled();
    const queued = (): number => subscription.pending * payload.length;
    expect(queued()).toBeGreaterThan(CREDIT_BYTES / 4);
    expect(queued()).toBeLessThanOrEqual(CREDIT_BYTES / 2 + READ_PAGE_BYTES);
    const asked = requests.length;
    const events = subscription[Symbol.asyncIterator]();
    for (let sequence = 1; sequence <= 3 * asked; sequence++) {
      const { value } = await events.next();
      expect(value.sequence).toBe(sequence);
      expect(queued()).toBeLessThanOrEqual(CREDIT_BYTES / 2 + READ_PAGE_BYTES);
    }
    await settled();
    expect(requests.length).toBeGreaterThan(asked);
    await events.return?.();
    expect(progress.historyBytes).toBe(0);
  });

  test('is read ahead while a handler is at work', async () => {
    const { requests, reader } = longLog(async ({ after }) =>
      requests.length > 3 ? new Promise<never>(() => {}) : pageOf(after, 2, 'small', 1e9),
    );
    const subscription = new FakeHost().subscribe(() => new Promise<never>(() => {}));
    const progress = subscription.progress[0]!;
    progress.mode = 'history';
    void reader.read(subscription, progress, false);
    await settled();
    expect(requests.map(({ after }) => after)).toEqual([0, 2, 4, 6]);
  });

  test('that was asked for with the filter before an update is asked for again', async () => {
    let answer!: (page: Page) => void;
    const { requests, reader } = longLog(() => {
      return new Promise((resolve) => {
        answer = resolve;
      });
    });
    const subscription = new FakeHost().subscribe();
    const progress = subscription.progress[0]!;
    progress.mode = 'history';
    void reader.read(subscription, progress, false);
    await settled();
    subscription.filter = parseFilter('u');
    answer(pageOf(0, 5, 'of the old filter', 1e9));
    await settled();
    expect(requests.map(({ after, filter }) => [after, filter?.topics])).toEqual([
      [0, ['*']],
      [0, ['u']],
    ]);
    expect(progress.received).toBe(0);
    expect(subscription.pending).toBe(0);
  });

  test('is not read on where the shard dies that it is handed over to, as the next thread has it from there', async () => {
    const shard = {
      shard: 0,
      control: { head: 10, archiveLeftThrough: 0 },
      call: () => Promise.reject(new BusError('SHARD_RESTARTED', 'the shard was restarted')),
    };
    const reader = new HistoryReader({} as HistorySource, [shard]);
    const subscription = new FakeHost().subscribe();
    const progress = subscription.progress[0]!;
    progress.mode = 'history';
    let begun = 0;
    await reader.read(subscription, progress, false, () => begun++);
    expect([begun, progress.mode, subscription.ended]).toEqual([1, 'shard', false]);
  });
});
