import type { AnswerOf, RequestOf } from '../../link/calls.js';
import type { ConsumerShardState, ListedConsumer } from '../../link/consumer-shapes.js';
import type { Caller } from '../../link/port-calls.js';
import { type PagePlace, pageText } from '../../protocol/consumer-options.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import { type Asker, ITSELF } from '../asker.js';
import type { EndpointEnd } from '../links/endpoint-end.js';

/** The calls about one consumer that its shards serve. */

export type ControlEnd = Pick<EndpointEnd, 'shard' | 'call'>;

/** The endpoint, as those who direct a consumer see it. */
export interface ControlHost {
  readonly epoch: string;
  readonly ends: readonly ControlEnd[];
  readonly main: Caller<'main', unknown>;
  /** @throws BusError `BUS_CLOSED` */
  assertOpen(): void;
}

/** For whom shards are asked. */
export type ShardAsker = Pick<Asker, 'askInTurn'>;

export type ConsumerCall =
  | 'consumerState'
  | 'consumerOpen'
  | 'consumerDead'
  | 'consumerHeldKeys'
  | 'consumerRedrive'
  | 'consumerFindDead'
  | 'consumerSeekPreview'
  | 'consumerSkip';

interface ShardPage<E> {
  readonly events: readonly E[];
  /** Null: this was the shard's last page. */
  readonly next: number | null;
}

export class ConsumerShards {
  readonly #consumer: Pick<ListedConsumer, 'id' | 'name'>;
  readonly #host: ControlHost;
  readonly #asker: ShardAsker;

  constructor(
    consumer: Pick<ListedConsumer, 'id' | 'name'>,
    host: ControlHost,
    asker: ShardAsker = ITSELF,
  ) {
    this.#consumer = consumer;
    this.#host = host;
    this.#asker = asker;
  }

  get ends(): readonly ControlEnd[] {
    return this.#host.ends;
  }

  /** Asks one shard about the consumer. @throws BusError also `CONSUMER_UNKNOWN`, with its name */
  call<N extends ConsumerCall>(
    end: ControlEnd,
    name: N,
    request: Omit<RequestOf<N>, 'consumer'>,
  ): Promise<AnswerOf<N>> {
    this.#host.assertOpen();
    const asked = { consumer: this.#consumer.id, ...request } as RequestOf<N>;
    return this.named(() => end.call(name, () => asked));
  }

  /** By shard. */
  states(): Promise<ConsumerShardState[]> {
    return Promise.all(this.ends.map((end) => this.call(end, 'consumerState', {})));
  }

  /** A page of a list that goes on from shard to shard. */
  async page<E>(
    place: PagePlace,
    limit: number,
    ask: (end: ControlEnd, after: number, limit: number) => Promise<ShardPage<E>>,
  ): Promise<{ events: E[]; next?: string }> {
    const { ends } = this;
    const events: E[] = [];
    let { shard, after } = place;
    while (shard < ends.length && events.length < limit) {
      const page = await ask(ends[shard]!, after, limit - events.length);
      events.push(...page.events);
      if (page.next === null) shard++;
      after = page.next ?? 0;
    }
    return shard < ends.length ? { events, next: pageText({ shard, after }) } : { events };
  }

  /** Makes a call in its turn. Shards know consumers by ids; their callers know them by names. */
  async named<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.#asker.askInTurn(call);
    } catch (error) {
      const isUnknown = error instanceof BusError && error.code === 'CONSUMER_UNKNOWN';
      throw isUnknown ? unknownConsumer(this.#consumer) : error;
    }
  }
}

export function unknownConsumer({ name }: Pick<ListedConsumer, 'name'>): BusError {
  const message = `there is no consumer ${quote(name)}, or not the one any more that was opened`;
  return new BusError('CONSUMER_UNKNOWN', message, { details: { consumer: name } });
}
