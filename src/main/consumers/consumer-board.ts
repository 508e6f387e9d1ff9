import { ulid } from 'ulid';
import { closedError } from '../../endpoint/endpoint-errors.js';
import type {
  ConsumerChange,
  ConsumerNews,
  ListedConsumer,
  OpenConsumerRequest,
} from '../../link/consumer-shapes.js';
import { assertStill } from '../../link/consumer-still.js';
import type { Gap } from '../../protocol/bus-api.js';
import {
  assertSameDefinition,
  definitionDifferences,
  needsNothingOpen,
} from '../../protocol/consumer-definition.js';
import type { ConsumerDefinition } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { ParsedFilter } from '../../protocol/filter.js';
import { CONSUMERS_MAX } from '../../protocol/limits/consumers.js';
import { optionInvalid } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';
import {
  type ConsumerListText,
  type KeptConsumer,
  readConsumerList,
  writeConsumerList,
} from '../../store/consumer-list.js';
import { positionsAtRest } from './at-rest.js';
import { ChangeQueue } from './change-queue.js';
import type { ConsumerBus } from './consumer-bus.js';
import { ConsumerPost } from './consumer-post.js';
import { ConsumerTeller } from './consumer-teller.js';
import { type KeepList, ShardLists } from './shard-lists.js';

/**
 * The list of all durable consumers of a bus. It works in the thread that opened the bus, and only there.
 *
 * One change is made at a time, in the order of the calls: it is stored, then handed to every shard, then answered. The
 * stored list is what counts: a change that was stored before the process died holds, since each shard's thread begins
 * with the list.
 */
export class ConsumerBoard {
  readonly #text: ConsumerListText | undefined;
  readonly #shards: number;
  readonly #lists: ShardLists;
  #list: readonly KeptConsumer[] = [];
  /** Why the list could not be read: nothing is written, and the shards leave states as they are, until it can be. */
  #unread: BusError | undefined;
  #bus: ConsumerBus | undefined;
  #teller = new ConsumerTeller(() => {});
  #post: ConsumerPost | undefined;
  #isStopped = false;
  readonly #changes = new ChangeQueue('consumers');

  /**
   * @param text where the list is kept; undefined: the store keeps no consumers
   * @param keep gets the list for the next thread of a shard, whenever it changes
   */
  constructor(text: ConsumerListText | undefined, shards: number, keep: KeepList) {
    this.#text = text;
    this.#shards = shards;
    this.#lists = new ShardLists(shards, keep);
    this.#load();
  }

  start(bus: ConsumerBus): void {
    this.#bus = bus;
    this.#teller = new ConsumerTeller(bus.publish);
    this.#post = new ConsumerPost(bus, this.#teller, (id) => this.#find(id));
    if (this.#unread !== undefined) bus.report(this.#unread);
    const mayOweLetters = this.#list.some(({ definition }) => definition.deadLetter !== undefined);
    if (mayOweLetters) this.#post.begin(this.#shards);
  }

  stop(): void {
    this.#isStopped = true;
    this.#post?.stop();
  }

  /** Takes what a shard reports of consumers. */
  takeNews(shard: number, news: readonly ConsumerNews[]): void {
    this.#post?.take(shard, news);
  }

  /**
   * The consumers of these names; null: all, by name. It waits for no change, but for the list where it could not be read.
   * @throws BusError `OPTION_INVALID` if the store keeps none, `STORE_CORRUPT`, `BUS_CLOSED`
   */
  async list(names: readonly string[] | null): Promise<ListedConsumer[]> {
    if (this.#unread !== undefined) await this.#inTurn(async () => {});
    this.#assertKept();
    const wanted = names === null ? undefined : new Set(names);
    const found = this.#list.filter(({ name }) => wanted?.has(name) ?? true);
    return found.map(listed).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Opens the consumer of this name, or makes it, or changes its definition if asked.
   *
   * @returns the consumer, once every shard knows it
   * @throws BusError `CONSUMER_EXISTS`, `CONSUMER_BUSY`, `LIMIT_EXCEEDED`, `OPTION_INVALID`, `CURSOR_INVALID`,
   *   `CURSOR_EXPIRED`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_FAILED`, `BUS_CLOSED`, `CONFLICT` by `onlyOver`
   */
  open(request: OpenConsumerRequest): Promise<ListedConsumer> {
    const { name, definition, from, isUpdate, onlyOver } = request;
    return this.#inTurn(async (bus) => {
      const existing = this.#list.find((one) => one.name === name);
      if (onlyOver !== undefined) assertStill(name, onlyOver, existing);
      if (existing === undefined) return listed(await this.#create(bus, name, definition, from));
      if (!isUpdate) assertSameDefinition(name, existing.definition, definition);
      return listed(await this.#redefine(bus, existing, definition));
    });
  }

  /**
   * Makes a change, and resolves once every shard knows it; null after a deletion.
   *
   * @param by the principal that asked for it; undefined: a program that needs no grant
   * @param onlyAs the definition for which it was permitted; undefined: any
   * @throws BusError `CONSUMER_UNKNOWN`, and as `open`
   */
  alter(
    id: string,
    change: ConsumerChange,
    by?: string,
    onlyAs?: ConsumerDefinition,
  ): Promise<ListedConsumer | null> {
    return this.#inTurn(async (bus) => {
      const consumer = this.#known(id);
      if (onlyAs !== undefined) assertStill(consumer.name, { id, definition: onlyAs }, consumer);
      switch (change.kind) {
        case 'delete':
          await this.#commit(
            bus,
            this.#list.filter((one) => one !== consumer),
          );
          this.#lists.release(id);
          this.#teller.tell(consumer, 'deleted', principalOf(by));
          return null;
        case 'seek':
          return listed(await this.#seek(bus, consumer, change.from, by));
        default:
          return listed(await this.#pause(bus, consumer, change.kind === 'pause', by));
      }
    });
  }

  /**
   * By shard, the position behind which a `seek` would begin now. It changes nothing, and waits for no change.
   * @throws BusError as `alter`
   */
  async seekPositions(id: string, from: SubscribeFrom): Promise<readonly number[]> {
    if (this.#isStopped || this.#bus === undefined) throw closedError();
    this.#assertKept();
    const { filter } = this.#known(id).definition;
    return (await this.#start(this.#bus, filter, from)).positions;
  }

  async #create(
    bus: ConsumerBus,
    name: string,
    definition: ConsumerDefinition,
    from: SubscribeFrom,
  ): Promise<KeptConsumer> {
    if (this.#list.length >= CONSUMERS_MAX) {
      const message = `there are ${CONSUMERS_MAX} consumers, which is the limit`;
      throw new BusError('LIMIT_EXCEEDED', message, { details: { limit: CONSUMERS_MAX } });
    }
    assertStored(bus, definition);
    const { positions, gaps } = await this.#start(bus, definition.filter, from);
    const id = ulid();
    const createdAt = Date.now();
    const made: KeptConsumer = {
      ...{ id, name, createdAt, definition, isPaused: false, round: 1, positions },
      ...cursorMark(from),
    };
    await this.#commit(bus, [...this.#list, made]);
    this.#teller.tell(made, 'created', { definition });
    for (const gap of gaps) this.#teller.tell(made, 'gap', gap);
    return made;
  }

  async #redefine(
    bus: ConsumerBus,
    consumer: KeptConsumer,
    definition: ConsumerDefinition,
  ): Promise<KeptConsumer> {
    const fields = definitionDifferences(consumer.definition, definition);
    if (fields.length === 0) return consumer;
    this.#assertWorks(bus, definition.filter);
    assertStored(bus, definition);
    const changed = needsNothingOpen(fields)
      ? await this.#reorder(bus, consumer, definition, fields)
      : await this.#replace(bus, consumer, { definition });
    this.#teller.tell(consumer, 'changed', { definition, fields });
    return changed;
  }

  /** A new round at the present positions: the events that the old order knows are done. */
  async #reorder(
    bus: ConsumerBus,
    consumer: KeptConsumer,
    definition: ConsumerDefinition,
    fields: readonly (keyof ConsumerDefinition)[],
  ): Promise<KeptConsumer> {
    try {
      await this.#lists.handOver(bus, this.#list, consumer.id);
      const positions = await positionsAtRest(bus, consumer, fields);
      const round = consumer.round + 1;
      return await this.#replace(bus, consumer, { definition, round, positions });
    } catch (error) {
      await this.#lists.handOver(bus, this.#list);
      throw error;
    }
  }

  async #pause(
    bus: ConsumerBus,
    consumer: KeptConsumer,
    isPaused: boolean,
    by: string | undefined,
  ): Promise<KeptConsumer> {
    if (consumer.isPaused === isPaused) return consumer;
    const { pausedAt: _, pausedBy: __, ...unpaused } = consumer;
    const pause = { pausedAt: Date.now(), ...(by === undefined ? {} : { pausedBy: by }) };
    const changed = { ...unpaused, isPaused, ...(isPaused ? pause : {}) };
    await this.#put(bus, consumer, changed);
    this.#teller.tell(consumer, isPaused ? 'paused' : 'resumed', principalOf(by));
    return changed;
  }

  async #seek(
    bus: ConsumerBus,
    consumer: KeptConsumer,
    from: SubscribeFrom,
    by: string | undefined,
  ): Promise<KeptConsumer> {
    const { isFromCursor: _, ...before } = consumer;
    const { positions, gaps } = await this.#start(bus, before.definition.filter, from);
    const place = { round: before.round + 1, positions, ...cursorMark(from) };
    const changed = { ...before, ...place };
    await this.#put(bus, consumer, changed);
    this.#teller.tell(consumer, 'sought', { from, positions, ...principalOf(by) });
    for (const gap of gaps) this.#teller.tell(consumer, 'gap', gap);
    return changed;
  }

  async #start(
    bus: ConsumerBus,
    filter: ParsedFilter,
    from: SubscribeFrom,
  ): Promise<{ positions: readonly number[]; gaps: readonly Gap[] }> {
    this.#assertWorks(bus, filter);
    const gaps: Gap[] = [];
    const positions = await bus.startPositions(filter, from, (gap) => gaps.push(gap));
    return { positions, gaps };
  }

  /** @throws BusError the failure of a shard that holds events of the filter */
  #assertWorks(bus: ConsumerBus, filter: ParsedFilter): void {
    for (const shard of bus.shardsOf(filter)) {
      const failure = bus.shardFailure(shard);
      if (failure !== undefined) throw failure;
    }
  }

  async #replace(
    bus: ConsumerBus,
    consumer: KeptConsumer,
    change: Partial<KeptConsumer>,
  ): Promise<KeptConsumer> {
    const changed = { ...consumer, ...change };
    await this.#put(bus, consumer, changed);
    return changed;
  }

  async #put(bus: ConsumerBus, consumer: KeptConsumer, changed: KeptConsumer): Promise<void> {
    await this.#commit(
      bus,
      this.#list.map((one) => (one === consumer ? changed : one)),
    );
  }

  /** Stores the list and hands it to every shard. A shard that is given up gets it when the bus is opened again. */
  async #commit(bus: ConsumerBus, list: readonly KeptConsumer[]): Promise<void> {
    // Only the bus that has the store may write to it.
    if (this.#isStopped) throw closedError();
    await writeConsumerList(this.#text!, list);
    this.#list = list;
    await this.#lists.handOver(bus, list);
  }

  /** @throws BusError `CONSUMER_UNKNOWN` */
  #known(id: string): KeptConsumer {
    const consumer = this.#find(id);
    if (consumer !== undefined) return consumer;
    throw new BusError('CONSUMER_UNKNOWN', `there is no consumer ${id}`, { details: { id } });
  }

  #find(id: string): KeptConsumer | undefined {
    return this.#list.find((one) => one.id === id);
  }

  #inTurn<T>(change: (bus: ConsumerBus) => Promise<T>): Promise<T> {
    return this.#changes.add(async () => {
      if (this.#isStopped || this.#bus === undefined) throw closedError();
      await this.#assertRead(this.#bus);
      return change(this.#bus);
    });
  }

  /** The file may have been mended since it could not be read. */
  async #assertRead(bus: ConsumerBus): Promise<void> {
    if (this.#unread === undefined) return this.#assertKept();
    this.#load();
    this.#assertKept();
    await this.#lists.handOver(bus, this.#list);
  }

  #assertKept(): void {
    if (this.#unread !== undefined) throw this.#unread;
    if (this.#text !== undefined) return;
    throw new BusError('OPTION_INVALID', 'the store of this bus keeps no durable consumers');
  }

  #load(): void {
    this.#unread = undefined;
    if (this.#text === undefined) return;
    try {
      this.#list = readConsumerList(this.#text, this.#shards);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      this.#unread = error;
      this.#lists.setUnread();
      return;
    }
    this.#lists.set(this.#list);
  }
}

function listed(consumer: KeptConsumer): ListedConsumer {
  const { positions: _, isFromCursor: __, ...told } = consumer;
  return told;
}

/**
 * A cursor says what its holder has had, so what is gone behind it is missing. No other place promises events that are
 * gone.
 */
function cursorMark(from: SubscribeFrom): Pick<KeptConsumer, 'isFromCursor'> {
  return typeof from === 'object' && 'after' in from ? { isFromCursor: true } : {};
}

/** For the events that tell of a change. */
function principalOf(by: string | undefined): { readonly principal?: string } {
  return by === undefined ? {} : { principal: by };
}

/** @throws BusError `OPTION_INVALID`: a dead letter that is not stored would be lost */
function assertStored(bus: ConsumerBus, { deadLetter }: ConsumerDefinition): void {
  if (deadLetter === undefined || bus.stores(deadLetter)) return;
  const fault = `${quote(deadLetter)} is one of the topics that this bus does not store`;
  throw optionInvalid('consumer', 'deadLetter', fault);
}
