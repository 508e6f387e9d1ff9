/**
 * What endpoints ask of a shard: subscribe, update, unsubscribe, resume, credit, questions. Read before publishes in every
 * turn, between batches, so that a subscription starts, changes and ends at an exact sequence.
 */
import {
  CONTROL_BODY,
  CONTROL_CREDIT,
  CONTROL_GENERATION,
  CONTROL_LEAVE,
  CONTROL_REQUEST,
  CONTROL_REQUEST_ID,
  CONTROL_RESUME,
  CONTROL_SUBSCRIBE,
  CONTROL_UNSUBSCRIBE,
  CONTROL_UPDATE,
  CREDIT_BYTES_COUNT,
  CREDIT_EVENTS_COUNT,
  CREDIT_SUBSCRIPTION,
  type ResumeCommand,
  type ShardRequest,
  type SubscribeCommand,
} from '../link/link-records.js';
import type { ParsedFilter } from '../protocol/filter.js';
import { compilePredicate } from '../protocol/filter.js';
import { matchesPattern } from '../protocol/topic.js';
import type { EventLog } from '../store/event-log.js';
import { CATCHING_UP, Consumer, LIVE, MODE_NAMES, REPLAYING } from './consumer.js';
import type { LinkAdapter } from './link-adapter.js';
import type { LinkConsumer, Routes } from './routes.js';
import type { Shard } from './shard.js';

/** A consumer, as it is told to who asks. */
interface SubscriberInfo {
  readonly id: string;
  readonly name?: string;
  readonly endpoint: string;
  readonly topics: readonly string[];
  readonly overflow: string;
  readonly mode: string | undefined;
  readonly queued: number;
  readonly dropped: number;
  readonly lag: number;
}

/** Commands taken from one link in one turn. */
const COMMANDS_PER_TURN = 1024;

export class Commands {
  readonly #shard: Shard;
  readonly #log: EventLog;
  readonly #routes: Routes;
  readonly #generation: number;
  #link!: LinkAdapter;

  constructor(shard: Shard, log: EventLog, routes: Routes, generation: number) {
    this.#shard = shard;
    this.#log = log;
    this.#routes = routes;
    this.#generation = generation;
  }

  /** True if there were any. */
  take(): boolean {
    let taken = 0;
    for (const link of this.#shard.links) {
      if (link.leaving) continue;
      this.#link = link;
      const read = link.controls.read(this.#onCommand, COMMANDS_PER_TURN);
      if (read === 0) continue;
      taken += read;
      if (link.controls.release()) link.wakeEndpoint();
    }
    return taken > 0;
  }

  readonly #onCommand = (type: number, bytes: Buffer, offset: number, length: number): void => {
    if (this.#link.leaving) return;
    // Written before this thread was started: the endpoint says it again.
    if (bytes.readInt32LE(offset + CONTROL_GENERATION) !== this.#generation) return;
    if (type === CONTROL_CREDIT) {
      this.#credit(bytes, offset);
      return;
    }
    const request = bytes.readInt32LE(offset + CONTROL_REQUEST_ID);
    const body = JSON.parse(bytes.toString('utf8', offset + CONTROL_BODY, offset + length));
    this.#link.reply(request, true, this.#execute(type, body));
  };

  // biome-ignore lint/suspicious/noExplicitAny: our own endpoints wrote it, each type with its own shape.
  #execute(type: number, body: any): unknown {
    switch (type) {
      case CONTROL_SUBSCRIBE:
        return this.#subscribe(body);
      case CONTROL_UPDATE:
        return this.#update(body);
      case CONTROL_UNSUBSCRIBE:
        return this.#unsubscribe(body);
      case CONTROL_RESUME:
        return this.#resume(body);
      case CONTROL_REQUEST:
        return this.#answer(body);
      case CONTROL_LEAVE:
        return this.#shard.leave(this.#link);
      default:
        throw new Error(`unknown command ${type}`);
    }
  }

  #credit(bytes: Buffer, offset: number): void {
    const consumer = this.#link.consumers.get(bytes.readInt32LE(offset + CREDIT_SUBSCRIPTION));
    if (consumer === undefined) return;
    consumer.creditEvents += bytes.readInt32LE(offset + CREDIT_EVENTS_COUNT);
    consumer.creditBytes += bytes.readInt32LE(offset + CREDIT_BYTES_COUNT);
    if (consumer.hasCredit) this.#shard.wake(consumer);
  }

  #subscribe(command: SubscribeCommand): { position: number } {
    const consumer: LinkConsumer = new Consumer(this.#link, command);
    const { delivered } = this.#shard;
    consumer.position = typeof command.start === 'number' ? command.start : delivered;
    if (command.start === 'now') consumer.mode = LIVE;
    else consumer.mode = command.start === 'replay' ? REPLAYING : CATCHING_UP;
    this.#shard.subscribe(consumer);
    return { position: delivered };
  }

  #update(command: { subscription: number; filter: ParsedFilter }): { position: number } {
    const consumer = this.#link.consumers.get(command.subscription);
    if (consumer !== undefined) {
      this.#routes.remove(consumer, consumer.filter.topics);
      consumer.filter = command.filter;
      consumer.predicate = compilePredicate(command.filter);
      this.#routes.add(consumer, consumer.filter.topics);
    }
    return { position: this.#shard.delivered };
  }

  #unsubscribe(command: { subscription: number }): null {
    const consumer = this.#link.consumers.get(command.subscription);
    if (consumer !== undefined) this.#shard.unsubscribe(consumer);
    return null;
  }

  #resume(command: ResumeCommand): null {
    const consumer = this.#link.consumers.get(command.subscription);
    if (consumer === undefined || consumer.mode !== REPLAYING) return null;
    const { position, tellGap } = command;
    consumer.prunedTold = tellGap ? 0 : this.#log.prunedThrough;
    consumer.position = position;
    consumer.mode = CATCHING_UP;
    this.#shard.wake(consumer);
    return null;
  }

  #answer(request: ShardRequest): unknown {
    switch (request.kind) {
      case 'sync':
        return null;
      case 'subscribers':
        return this.#subscribers(request.topic, request.limit);
      case 'topics':
        return this.#topics(request.pattern, request.skip, request.limit);
    }
  }

  #subscribers(topic: string | undefined, limit: number): unknown[] {
    const describe = (consumer: LinkConsumer): SubscriberInfo => this.#describe(consumer);
    if (topic !== undefined) return [...this.#routes.of(topic).consumers].map(describe);
    const all = this.#shard.links.flatMap(({ consumers }) => [...consumers.values()].map(describe));
    return all.sort((a, b) => b.lag - a.lag).slice(0, limit);
  }

  #describe(consumer: LinkConsumer): SubscriberInfo {
    const { link, subscription, name, filter, overflow, mode, queued, dropped } = consumer;
    return {
      id: `${link.endpoint}-${subscription}`,
      ...(name === undefined ? {} : { name }),
      endpoint: link.endpoint,
      topics: filter.topics,
      overflow,
      mode: MODE_NAMES[mode],
      queued,
      dropped,
      lag: this.#shard.lagOf(consumer),
    };
  }

  #topics(pattern: string, skip: number, limit: number): unknown {
    const found: unknown[] = [];
    let seen = 0;
    for (const topic of this.#log.topics()) {
      if (seen++ < skip) continue;
      if (topic.events > 0 && matchesPattern(pattern, topic.name)) found.push(topic);
      if (found.length === limit) return { topics: found, next: seen };
    }
    return { topics: found, next: 0 };
  }
}
