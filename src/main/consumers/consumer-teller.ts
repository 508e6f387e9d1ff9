import type { ConsumerNews } from '../../link/consumer-shapes.js';
import { deadEvent } from '../../link/dead-events.js';
import {
  CONSUMER_TYPES,
  type ConsumerNotice,
  type ConsumerNoticePayload,
  consumerTopic,
} from '../../protocol/consumer-topics.js';

/** Tells of consumers in events of the bus's own, on topics under `$sys.consumer`. */

export interface ToldConsumer {
  readonly id: string;
  readonly name: string;
}

export class ConsumerTeller {
  readonly #publish: (topic: string, type: string, payload: object) => void;

  constructor(publish: (topic: string, type: string, payload: object) => void) {
    this.#publish = publish;
  }

  tell({ id, name }: ToldConsumer, notice: ConsumerNotice, about: object): void {
    const payload: ConsumerNoticePayload = { consumer: name, consumerId: id, ...about };
    this.#publish(consumerTopic(name, notice), CONSUMER_TYPES[notice], payload);
  }

  /** Tells what a shard has reported of a consumer. */
  tellNews(consumer: ToldConsumer, shard: number, news: ConsumerNews): void {
    for (const [from, to] of news.gaps) {
      this.tell(consumer, 'gap', { shard, from, to, reason: 'pruned' });
    }
    const { blocked, dead, deadCount } = news;
    if (blocked === null) this.tell(consumer, 'unblocked', { shard });
    else if (blocked !== undefined) this.tell(consumer, 'blocked', { ...blocked, shard });
    for (const [at, entry] of dead.entries()) {
      const untold = at === dead.length - 1 ? deadCount - dead.length : 0;
      const event = deadEvent(shard, entry);
      this.tell(consumer, 'dead', untold === 0 ? event : { ...event, untold });
    }
  }
}
