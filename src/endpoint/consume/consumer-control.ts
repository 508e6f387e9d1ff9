/**
 * A consumer, as a program in this thread holds it: the half by which it looks at the consumer and directs it. It makes
 * calls, to the shards and to the thread that opened the bus, and keeps nothing. Used by the endpoint's thread alone.
 */

import { ConsumerNotices, type NoticeHost } from '../../handout/consume/consumer-notices.js';
import type { AlterConsumerRequest, ListedConsumer, OnlyAs } from '../../link/consumer-shapes.js';
import { deadEvent } from '../../link/dead-events.js';
import { openEvent } from '../../link/open-events.js';
import {
  assertEventPlace,
  assertSeekFrom,
  parsePageOptions,
  parseRedriveOptions,
} from '../../protocol/consumer-options.js';
import type {
  Consumer,
  ConsumerEvents,
  ConsumerInfo,
  DeadPage,
  HeldKeyPage,
  OpenPage,
  PageOptions,
  RedriveOptions,
  RedriveResult,
  SeekPreview,
} from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { optionInvalid } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';
import { consumerInfo } from './consumer-info.js';
import {
  ConsumerShards,
  type ControlHost,
  type ShardAsker,
  unknownConsumer,
} from './consumer-shards.js';
import { redriveAll, redriveIds } from './redriving.js';
import { seekPreview } from './seek-preview.js';

export type ControllingConsumer = Pick<
  Consumer,
  | 'info'
  | 'open'
  | 'heldKeys'
  | 'pause'
  | 'resume'
  | 'seek'
  | 'seekPreview'
  | 'skip'
  | 'dead'
  | 'redrive'
  | 'delete'
>;

export class ConsumerControl implements ControllingConsumer {
  readonly #consumer: Pick<ListedConsumer, 'id' | 'name'>;
  readonly #host: ControlHost & NoticeHost;
  readonly #shards: ConsumerShards;
  readonly #notices: ConsumerNotices;
  readonly #terms: Pick<AlterConsumerRequest, 'by' | 'onlyAs'>;

  /**
   * @param terms of changes, on behalf of a principal; none for the program itself
   * @param asker for whom the shards are asked; default: the program
   */
  constructor(
    consumer: Pick<ListedConsumer, 'id' | 'name'>,
    host: ControlHost & NoticeHost,
    terms: Pick<AlterConsumerRequest, 'by' | 'onlyAs'> = {},
    asker?: ShardAsker,
  ) {
    this.#terms = terms;
    this.#consumer = consumer;
    this.#host = host;
    this.#shards = new ConsumerShards(consumer, host, asker);
    this.#notices = new ConsumerNotices(consumer, host);
  }

  async info(): Promise<ConsumerInfo> {
    const { id, name } = this.#consumer;
    this.#host.assertOpen();
    const { consumers } = await this.#host.main.call('consumers', { names: [name] });
    const listed = consumers.find((one) => one.id === id);
    if (listed === undefined) throw unknownConsumer(this.#consumer);
    return consumerInfo(listed, await this.#shards.states(), this.#host.epoch);
  }

  async open(page: PageOptions = {}): Promise<OpenPage> {
    const { place, limit } = parsePageOptions('open', page);
    return this.#shards.page(place, limit, async (end, after, most) => {
      const request = { after, limit: most };
      const { events, next } = await this.#shards.call(end, 'consumerOpen', request);
      const now = Date.now();
      return { events: events.map((entry) => openEvent(end.shard, entry, now)), next };
    });
  }

  async heldKeys(page: PageOptions = {}): Promise<HeldKeyPage> {
    const { place, limit } = parsePageOptions('heldKeys', page);
    const { events: keys, ...next } = await this.#shards.page(
      place,
      limit,
      async (end, after, most) => {
        const { shard } = end;
        const request = { after, limit: most };
        const { events, next } = await this.#shards.call(end, 'consumerHeldKeys', request);
        const now = Date.now();
        const shown = events.map(({ first, ...held }) => {
          return { shard, ...held, first: openEvent(shard, first, now) };
        });
        return { events: shown, next };
      },
    );
    return { keys, ...next };
  }

  async dead(page: PageOptions = {}): Promise<DeadPage> {
    const { place, limit } = parsePageOptions('dead', page);
    return this.#shards.page(place, limit, async (end, after, most) => {
      const request = { after, limit: most };
      const { events, next } = await this.#shards.call(end, 'consumerDead', request);
      return { events: events.map((entry) => deadEvent(end.shard, entry)), next };
    });
  }

  async pause(): Promise<void> {
    await this.#alter({ kind: 'pause' });
  }

  async resume(): Promise<void> {
    await this.#alter({ kind: 'resume' });
  }

  async seek(from: SubscribeFrom): Promise<void> {
    assertSeekFrom(from);
    await this.#alter({ kind: 'seek', from });
  }

  async seekPreview(from: SubscribeFrom): Promise<SeekPreview> {
    assertSeekFrom(from);
    this.#host.assertOpen();
    const request = { id: this.#consumer.id, from };
    const { positions } = await this.#shards.named(() =>
      this.#host.main.call('seekPositions', request),
    );
    return seekPreview(this.#shards, positions);
  }

  async delete(): Promise<void> {
    await this.#alter({ kind: 'delete' });
    this.#notices.close();
  }

  async skip(event: { readonly shard: number; readonly sequence: number }): Promise<void> {
    assertEventPlace(event);
    const { shard, sequence } = event;
    const end = this.#host.ends[shard];
    if (end === undefined) {
      const last = this.#host.ends.length - 1;
      throw optionInvalid('skip', 'shard', `has to be a shard from 0 to ${last}, not ${shard}`);
    }
    const { isFound } = await this.#shards.call(end, 'consumerSkip', {
      sequence,
      ...this.#onlyAs,
    });
    if (isFound) return;
    const message = `consumer ${quote(this.#consumer.name)} has no open event ${sequence} in shard ${shard}`;
    throw new BusError('NOT_FOUND', message, { details: { shard, sequence } });
  }

  async redrive(options: RedriveOptions = {}): Promise<RedriveResult> {
    const { isDry, ids } = parseRedriveOptions(options);
    return ids === undefined
      ? redriveAll(this.#shards, { isDry, ...this.#onlyAs })
      : redriveIds(this.#shards, ids, { isDry, ...this.#onlyAs });
  }

  on<E extends keyof ConsumerEvents>(event: E, listener: ConsumerEvents[E]): this {
    this.#host.assertOpen();
    this.#notices.on(event, listener);
    return this;
  }

  get #onlyAs(): OnlyAs {
    const { onlyAs } = this.#terms;
    return onlyAs === undefined ? {} : { onlyAs };
  }

  async #alter(change: AlterConsumerRequest['change']): Promise<void> {
    this.#host.assertOpen();
    const request = { id: this.#consumer.id, change, ...this.#terms };
    await this.#shards.named(() => this.#host.main.call('alterConsumer', request));
  }
}
