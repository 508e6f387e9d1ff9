import { expect, test } from 'vitest';
import type { HistorySource } from '../../src/endpoint/read/history-source.js';
import { parseLatest } from '../../src/endpoint/read/parse-query.js';
import { QueryRunner } from '../../src/endpoint/read/query.js';
import type { LastsRequest } from '../../src/link/calls.js';
import { EventRecordEncoder } from '../../src/record/event-record.js';
import type { PageRequest } from '../../src/store/page.js';
import { pageOf } from '../../src/store/page-of.js';

/** The newest events of a shard whose log changes while they are read. */
class ChangingShard {
  readonly control = { head: 0 };
  readonly #records = new Map<number, Uint8Array>();
  readonly #lasts = new Map<string, number>();
  /** Called before each page, as events that come in between. */
  beforePage = (): void => {};
  /** The most events of a page. */
  pageEvents = 100;

  publish(topic: string): void {
    const encoder = new EventRecordEncoder();
    const sequence = ++this.control.head;
    encoder.topic = topic;
    encoder.type = 'note';
    encoder.source = 'test';
    encoder.id = `e${sequence}`;
    encoder.payload = '1';
    const bytes = Buffer.alloc(encoder.measure());
    encoder.writeTo(bytes, 0);
    this.#records.set(sequence, bytes);
    this.#lasts.set(topic, sequence);
  }

  /** Publishes on a topic, and removes its event before. */
  supersede(topic: string): void {
    this.#records.delete(this.#lasts.get(topic)!);
    this.publish(topic);
  }

  async call(_name: 'lasts', request: () => LastsRequest) {
    const { after, until } = request();
    const sequences = [...this.#lasts.values()].filter((last) => last > after && last <= until);
    return { sequences, next: null };
  }

  get source(): HistorySource {
    const page = async (_shard: number, request: PageRequest) => {
      this.beforePage();
      const wanted = [...this.#records]
        .map(([sequence, bytes]) => ({ sequence, recordedAt: sequence, bytes }))
        .filter(({ sequence }) => sequence > request.after && sequence <= request.until!);
      const records = request.reverse ? wanted.reverse() : wanted;
      const limit = Math.min(this.pageEvents, request.limit);
      return pageOf(records, { ...request, limit }, this.control.head);
    };
    return { segments: 0, page } as Partial<HistorySource> as HistorySource;
  }
}

async function newestOf(shard: ChangingShard, options = {}): Promise<string[]> {
  const runner = new QueryRunner(shard.source, [shard], 'epoch');
  const topics: string[] = [];
  for await (const { topic } of runner.read(parseLatest('*', options))) topics.push(topic);
  return topics;
}

test.each([1, 2, 100])('pages of %i events give each topic once', async (pageEvents) => {
  const shard = new ChangingShard();
  shard.pageEvents = pageEvents;
  for (const topic of ['a', 'b', 'c', 'a', 'd']) shard.publish(topic);
  expect(await newestOf(shard)).toEqual(['b', 'c', 'a', 'd']);
  expect(await newestOf(shard, { reverse: true })).toEqual(['d', 'a', 'c', 'b']);
});

test('a topic whose event is removed meanwhile comes with its next event', async () => {
  const shard = new ChangingShard();
  for (const topic of ['a', 'b', 'c']) shard.publish(topic);
  let times = 0;
  shard.beforePage = () => {
    if (++times <= 2) shard.supersede('b');
  };
  expect(await newestOf(shard)).toEqual(['a', 'c', 'b']);
  expect(times).toBe(3);
});

test('new events alone do not prolong the answer', async () => {
  const shard = new ChangingShard();
  for (const topic of ['a', 'b']) shard.publish(topic);
  let pages = 0;
  shard.beforePage = () => {
    pages++;
    shard.publish('b');
  };
  expect(await newestOf(shard)).toEqual(['a', 'b']);
  expect(pages).toBe(1);
});
