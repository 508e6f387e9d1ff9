/**
 * A consumer, as a program in this thread holds it: the half by which it looks at the consumer and directs it. It makes
 * calls, to the shards and to the thread that opened the bus, and keeps nothing. Used by the endpoint's thread alone.
 */

import { ConsumerNotices, type NoticeHost } from '../../handout/consume/consumer-notices.js';
import type { AlterConsumerRequest, ListedConsumer } from '../../link/consumer-shapes.js';
import { deadEvent } from '../../link/dead-events.js';
import type { SubscribeFrom } from '../../protocol/bus-api.js';
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
  OpenPage,
  PageOptions,
  RedriveOptions,
  RedriveResult,
} from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { optionInvalid } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { consumerInfo } from './consumer-info.js';
import { ConsumerShards, type ControlHost, unknownConsumer } from './consumer-shards.js';
import { redriveAll, redriveIds } from './redriving.js';

export type ControllingConsumer = Pick<
  Consumer,
  'info' | 'open' | 'pause' | 'resume' | 'seek' | 'skip' | 'dead' | 'redrive' | 'delete'
>;

export class ConsumerControl implements ControllingConsumer {
  readonly #consumer: Pick<ListedConsumer, 'id' | 'name'>;
  readonly #host: ControlHost & NoticeHost;
  readonly #shards: ConsumerShards;
  readonly #notices: ConsumerNotices;

  constructor(consumer: Pick<ListedConsumer, 'id' | 'name'>, host: ControlHost & NoticeHost) {
    this.#consumer = consumer;
    this.#host = host;
    this.#shards = new ConsumerShards(consumer, host);
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
      const shown = events.map(({ untilInMs, ...event }) => ({
        shard: end.shard,
        ...event,
        ...(untilInMs === undefined ? {} : { until: new Date(now + untilInMs).toISOString() }),
      }));
      return { events: shown, next };
    });
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
    const { isFound } = await this.#shards.call(end, 'consumerSkip', { sequence });
    if (isFound) return;
    const message = `consumer ${quote(this.#consumer.name)} has no open event ${sequence} in shard ${shard}`;
    throw new BusError('NOT_FOUND', message, { details: { shard, sequence } });
  }

  async redrive(options: RedriveOptions = {}): Promise<RedriveResult> {
    const { isDry, ids } = parseRedriveOptions(options);
    return ids === undefined
      ? redriveAll(this.#shards, isDry)
      : redriveIds(this.#shards, ids, isDry);
  }

  on<E extends keyof ConsumerEvents>(event: E, listener: ConsumerEvents[E]): this {
    this.#host.assertOpen();
    this.#notices.on(event, listener);
    return this;
  }

  async #alter(change: AlterConsumerRequest['change']): Promise<void> {
    this.#host.assertOpen();
    const request = { id: this.#consumer.id, change };
    await this.#shards.named(() => this.#host.main.call('alterConsumer', request));
  }
}
