import type { ConsumerNews } from '../../link/consumer-shapes.js';
import type { KeptConsumer } from '../../store/consumer-list.js';
import type { ConsumerTeller } from './consumer-teller.js';
import { type LetterBus, LetterCourier } from './letter-courier.js';

/** What shards report of consumers: it is told in events, and letters that are due are published. */
export class ConsumerPost {
  readonly #teller: ConsumerTeller;
  readonly #courier: LetterCourier;
  readonly #find: (id: string) => KeptConsumer | undefined;

  constructor(
    bus: LetterBus,
    teller: ConsumerTeller,
    find: (id: string) => KeptConsumer | undefined,
  ) {
    this.#teller = teller;
    this.#find = find;
    this.#courier = new LetterCourier(bus, {
      senderOf: (id) => {
        const consumer = find(id);
        return consumer && { name: consumer.name, topic: consumer.definition.deadLetter };
      },
      tellFailed: (id, shard, sequence, error) => {
        const consumer = find(id);
        if (consumer === undefined) return;
        const about = { shard, sequence, error: error.toJSON() };
        teller.tell(consumer, 'letter_failed', about);
      },
    });
  }

  take(shard: number, news: readonly ConsumerNews[]): void {
    for (const one of news) {
      const consumer = this.#find(one.id);
      if (consumer !== undefined) this.#teller.tellNews(consumer, shard, one);
    }
    if (news.some(({ lettersDue }) => lettersDue)) this.#courier.due(shard);
  }

  /** Letters may have been due when an earlier process ended. */
  begin(shards: number): void {
    for (let shard = 0; shard < shards; shard++) this.#courier.due(shard);
  }

  stop(): void {
    this.#courier.stop();
  }
}
