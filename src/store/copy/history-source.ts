import { BusError } from '../../protocol/errors.js';
import { COPY_BATCH_BYTES, COPY_BATCH_EVENTS } from '../../protocol/limits/store.js';
import type { ConsumerBrokerModule } from '../consumer-broker.js';
import { readConsumerList } from '../consumer-list.js';
import type { FilledEvent } from '../filling.js';
import type { HistoryModule, LogStore, OpenStore, StoreHistory } from '../log-store.js';
import { decodePage } from '../page.js';
import { assertEventsOnly, type CopySource } from './copy-source.js';

/**
 * A store on a broker as the source of a copy. Its nodes may go on: events behind the heads that it has now are not copied.
 * @param isEventsOnly durable consumers stay behind; without it, a store that has some is refused
 */
export async function openHistorySource(
  store: LogStore,
  isEventsOnly: boolean,
): Promise<CopySource> {
  const open = await store.open({ shards: undefined, defaultShards: 1 });
  try {
    if (!isEventsOnly) {
      assertEventsOnly(`the bus ${store.name}`, [[await consumersOf(open), 'durable consumers']]);
    }
    const { module, options } = historyOf(store, open);
    const { openHistory } = (await import(module)) as HistoryModule;
    const history = await openHistory(options);
    try {
      const heads: number[] = [];
      for (let shard = 0; shard < open.shards; shard++) {
        heads.push((await history.page(shard, { after: 0, limit: 0 })).head);
      }
      return new HistorySource(open, history, heads);
    } catch (error) {
      await history.close();
      throw error;
    }
  } catch (error) {
    await open.close([]);
    throw error;
  }
}

function historyOf({ name }: LogStore, { history }: OpenStore) {
  if (history !== undefined) return history;
  throw new BusError('OPTION_INVALID', `the events of a bus ${name} cannot be copied`);
}

async function consumersOf({ consumerBroker, shards }: OpenStore): Promise<number> {
  if (consumerBroker === undefined) return 0;
  const { openConsumerBroker } = (await import(consumerBroker.module)) as ConsumerBrokerModule;
  const broker = await openConsumerBroker(consumerBroker.options);
  try {
    const { text } = await broker.text('list').read();
    const kept = { file: 'the list of consumers', read: () => text, write: () => {} };
    return readConsumerList(kept, shards).length;
  } finally {
    await broker.close();
  }
}

class HistorySource implements CopySource {
  readonly shards: number;
  readonly shardBy: CopySource['shardBy'];
  readonly history: string;
  readonly total: number;
  readonly #open: OpenStore;
  readonly #history: StoreHistory;
  readonly #heads: readonly number[];

  constructor(open: OpenStore, history: StoreHistory, heads: readonly number[]) {
    this.shards = open.shards;
    this.shardBy = open.shardBy;
    this.history = open.epoch;
    this.total = heads.reduce((sum, head) => sum + head, 0);
    this.#open = open;
    this.#history = history;
    this.#heads = heads;
  }

  async *events(shard: number): AsyncGenerator<readonly FilledEvent[]> {
    const until = this.#heads[shard]!;
    for (let after = 0; after < until; ) {
      const page = await this.#history.page(shard, {
        after,
        until,
        headLeast: until,
        limit: COPY_BATCH_EVENTS,
        limitBytes: COPY_BATCH_BYTES,
      });
      const events: FilledEvent[] = [];
      decodePage(page, ({ recordedAt, bytes, offset, length }) => {
        events.push({ recordedAt, bytes: bytes.subarray(offset, offset + length) });
      });
      yield events;
      if (page.done) return;
      after = page.next;
    }
  }

  async close(): Promise<void> {
    await this.#history.close();
    await this.#open.close(this.#heads);
  }
}
