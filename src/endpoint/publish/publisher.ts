/**
 * Publishing from one endpoint: checks events, finds their shards and writes them into the shards' rings. If a ring is
 * full, a bounded number of publishes waits, in order. Used by the endpoint's thread alone.
 */

import type { GroupAck, PublishTerms } from '../../link/publish-records.js';
import type { TopicDefinitions } from '../../protocol/define-topic.js';
import { delayOption, deliveryTime } from '../../protocol/deliver-at.js';
import { BusError } from '../../protocol/errors.js';
import type {
  Durability,
  EventInput,
  PublishAck,
  PublishManyOptions,
  PublishOptions,
} from '../../protocol/event.js';
import { checkEventInput } from '../../protocol/event-input.js';
import { expectedSequence } from '../../protocol/expectation.js';
import { expiryOf } from '../../protocol/expiry.js';
import { PUBLISH_MANY_MAX } from '../../protocol/limits/bus-api.js';
import { TOPIC_ROUTES_CACHED_MAX } from '../../protocol/limits/endpoint.js';
import { checkPublishManyOptions, checkPublishOptions } from '../../protocol/options.js';
import { inputPayloadText } from '../../protocol/payload.js';
import { checkGroup, expectedSequences, notStored } from '../../protocol/publish-terms.js';
import { quote } from '../../protocol/quote.js';
import { parseTimestamp } from '../../protocol/timestamp.js';
import { matchesPattern } from '../../protocol/topic.js';
import { shardOf } from '../../protocol/topic-hash.js';
import {
  EVENT_FLAG_ID_OF_SOURCE,
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EVENT_FLAG_SUPPLIED_TIMESTAMP,
  EVENT_FLAG_SYNCED,
  EventRecordEncoder,
} from '../../record/event-record.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import { AtomicPublish, acrossShards } from './atomic-publish.js';
import { ofBatch } from './batch-fault.js';
import { eventIds } from './event-ids.js';
import { encodeOnTerms, GroupEncoder } from './group-encoder.js';
import { Handing } from './handing.js';
import { ManyPublish, ManyPublishPart } from './many-publish.js';
import { SinglePublish, UnawaitedPublish } from './pending-publish.js';
import { aborted, watchAbort, watchAbortOfMany } from './publish-abort.js';
import { PublishMoment } from './publish-moment.js';
import { type Waiter, WaitingRooms } from './waiting-rooms.js';

export interface PublisherOptions {
  readonly source: string;
  readonly defaultPersist: boolean;
  readonly noPersistTopics: readonly string[];
  readonly maxPayloadBytes: number;
  readonly publishWaitMs: number;
  /** How many first segments of a topic decide its shard. Default: the whole topic. */
  readonly shardSegments?: number;
  /** Absent if system events are off. */
  readonly systemEvents?: { readonly persist: boolean };
}

/** What a publisher needs of an endpoint's data. */
interface PublisherData {
  readonly epoch: string;
  readonly durability: Durability;
  readonly options: PublisherOptions;
}

/** The shard of a topic, and its settings. */
interface TopicRoute {
  readonly end: EndpointEnd;
  readonly topicBytes: Uint8Array;
  /** The topic is among `noPersistTopics`, which overrules the publish's options. */
  readonly isEphemeral: boolean;
}

/** The `source` of the bus's own events. */
const SYSTEM_SOURCE = 'millrace';

const NO_OPTIONS: Omit<PublishOptions, 'expect'> = Object.freeze({});

export class Publisher {
  readonly #epoch: string;
  readonly #durability: Durability;
  readonly #ends: readonly EndpointEnd[];
  readonly #options: PublisherOptions;
  readonly #definitions: TopicDefinitions;
  readonly #encoder = new EventRecordEncoder();
  readonly #group = new GroupEncoder();
  readonly #nextId = eventIds();
  readonly #routes = new Map<string, TopicRoute>();
  readonly #waiting: WaitingRooms;
  readonly #handing: Handing;
  readonly #unawaited: UnawaitedPublish;
  /** For system events: reporting their failures would cause more of them. */
  readonly #unheard = new UnawaitedPublish(() => {});
  /**
   * The heads of all logs at the first publish since deliveries were last read, and so before each of these publishes.
   */
  #moment: PublishMoment | undefined;
  #closed: BusError | undefined;

  constructor(
    { epoch, durability, options }: PublisherData,
    ends: readonly EndpointEnd[],
    definitions: TopicDefinitions,
    onError: (error: BusError) => void,
  ) {
    this.#epoch = epoch;
    this.#durability = durability;
    this.#ends = ends;
    this.#options = options;
    this.#definitions = definitions;
    this.#waiting = new WaitingRooms(ends, options.publishWaitMs);
    this.#handing = new Handing(this.#encoder, this.#waiting);
    this.#unawaited = new UnawaitedPublish(onError);
  }

  publish(input: EventInput, options: PublishOptions = NO_OPTIONS): Promise<PublishAck> {
    try {
      const route = this.#encode(input, options);
      const terms = termsOf(options);
      const { id, topic } = this.#encoder;
      const { signal } = options;
      return new Promise((resolve, reject) => {
        const pending = new SinglePublish(id, topic, this.#now, resolve, reject);
        const waiter = this.#handing.hand(route.end, pending, terms);
        if (signal !== undefined && !pending.isSettled) watchAbort(signal, pending, waiter);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  publishMany(
    inputs: readonly EventInput[],
    options: PublishManyOptions = NO_OPTIONS,
  ): Promise<PublishAck[]> {
    try {
      checkBatch(inputs);
      if (options !== NO_OPTIONS) checkPublishManyOptions(options);
      if (inputs.length === 0) return Promise.resolve([]);
      if (options.atomic === true) return this.publishGroup(inputs, options);
      return this.#publishAll(inputs, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Publishes events that are stored in one commit, or none of them; 1 or more. The options are checked.
   * @param ack a lease to be acknowledged in the same commit, and the shard of its event
   * @throws BusError as `publishMany`
   */
  publishGroup(
    inputs: readonly EventInput[],
    options: PublishManyOptions,
    ack?: GroupAck & { readonly shard: number },
  ): Promise<PublishAck[]> {
    checkGroup(inputs, options.idScope);
    const expected = expectedSequences(inputs, options.expect);
    const deliverAt = deliveryTime(options);
    const payloads = this.#checkAll(inputs);
    const { end } = this.#routeOf(inputs[0]!.topic);
    const shard = ack?.shard ?? end.shard;
    const topics = inputs.map(({ topic }) => topic);
    const shardOfTopic = (topic: string): number => this.#routeOf(topic).end.shard;
    if (topics.some((topic) => shardOfTopic(topic) !== shard)) {
      throw acrossShards(topics, shard, shardOfTopic);
    }
    const ids: string[] = [];
    this.#group.begin();
    for (const [index, input] of inputs.entries()) {
      const { isEphemeral } = this.#fill(input, payloads[index]!, options);
      if (isEphemeral || !this.#isStored) throw notStored(input.topic, 'atomic');
      this.#group.add(this.#encoder, { expected: expected[index], deliverAt });
      ids.push(this.#encoder.id);
    }
    const record = this.#group.end(ack);
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const pending = new AtomicPublish(ids, topics, this.#now, resolve, reject);
      const waiter = this.#handing.handRecord(end, record, pending);
      if (signal !== undefined && !pending.isSettled) watchAbort(signal, pending, waiter);
    });
  }

  /** As an atomic `publishMany`, and acknowledges a lease in the same commit. @throws BusError `LEASE_LOST` besides */
  publishWithAck(
    inputs: readonly EventInput[],
    options: Omit<PublishManyOptions, 'atomic'>,
    ack: GroupAck & { readonly shard: number },
  ): Promise<PublishAck[]> {
    try {
      checkBatch(inputs);
      const atomic = { ...options, atomic: true };
      checkPublishManyOptions(atomic);
      return this.publishGroup(inputs, atomic, ack);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryPublish(input: EventInput, options: PublishOptions = NO_OPTIONS): boolean {
    const { end } = this.#encode(input, options);
    const terms = termsOf(options);
    if (end.failure !== undefined) throw end.failure;
    if (this.#waiting.isAwaited(end)) return false;
    if (terms !== undefined) {
      const record = encodeOnTerms(this.#encoder, terms);
      if (end.tryPublishRecord(record, this.#unawaited)) return true;
      end.requestRoom();
      return end.tryPublishRecord(record, this.#unawaited);
    }
    const length = this.#encoder.measure();
    if (end.tryPublish(this.#encoder, length, this.#unawaited)) return true;
    end.requestRoom();
    return end.tryPublish(this.#encoder, length, this.#unawaited);
  }

  /**
   * Publishes an event of the bus's own, the only way to a topic that starts with `$`. The event is lost if there is no
   * room; its outcome is not reported.
   */
  publishSystem(topic: string, type: string, payload: object): void {
    const { systemEvents } = this.#options;
    if (systemEvents === undefined || this.#closed !== undefined) return;
    const input = { topic, type, payload, source: SYSTEM_SOURCE };
    const options = { persist: systemEvents.persist };
    const { end } = this.#fill(input, JSON.stringify(payload), options);
    if (end.failure !== undefined || this.#waiting.isAwaited(end)) return;
    end.tryPublishAnyway(this.#encoder, this.#encoder.measure(), this.#unheard);
  }

  /** Resolves once nothing waits and every ring is at most half full. */
  drained(): Promise<void> {
    return this.#waiting.drained();
  }

  /** How many publishes are not acknowledged yet, including those that wait for room. */
  get unacknowledged(): number {
    let count = 0;
    for (const end of this.#ends) count += end.unacknowledged;
    return count + this.#waiting.length;
  }

  /** Deliveries were read: there may be room again, and later publishes need newer heads. */
  pump(): void {
    this.#moment = undefined;
    this.#waiting.pump();
  }

  /** Fails everything that waits for this shard with `end.failure`. */
  shardFailed(end: EndpointEnd): void {
    this.#waiting.fail(end, end.failure!);
  }

  /** From here on every publish is refused. */
  refuse(error: BusError): void {
    this.#closed = error;
  }

  close(): void {
    this.#waiting.close(this.#closed!);
  }

  get #now(): PublishMoment {
    this.#moment ??= new PublishMoment(
      this.#epoch,
      this.#ends.map(({ control }) => control.head),
      this.#durability,
    );
    return this.#moment;
  }

  /** Checks all events before any is handed over, so that an invalid one publishes nothing. */
  #checkAll(inputs: readonly EventInput[]): string[] {
    for (let i = 0; i < inputs.length; i++) this.#check(inputs[i]!, i);
    return inputs.map((input) => inputPayloadText(input, this.#options.maxPayloadBytes));
  }

  #publishAll(inputs: readonly EventInput[], options: PublishManyOptions): Promise<PublishAck[]> {
    const payloads = this.#checkAll(inputs);
    const terms = delayTerms(options);
    if (terms !== undefined) for (const { topic } of inputs) this.#assertStored(topic, options);
    const ids: string[] = new Array(inputs.length);
    const topics: string[] = new Array(inputs.length);
    return new Promise((resolve, reject) => {
      const many = new ManyPublish(ids, topics, this.#now, resolve, reject);
      const parts: (ManyPublishPart | undefined)[] = new Array(this.#ends.length);
      const waiters: Waiter[] = [];
      for (let i = 0; i < inputs.length; i++) {
        const { end } = this.#fill(inputs[i]!, payloads[i]!, options);
        ids[i] = this.#encoder.id;
        topics[i] = this.#encoder.topic;
        parts[end.shard] ??= new ManyPublishPart(many);
        const waiter = this.#handing.handOneOf(many, i, end, parts[end.shard]!, terms);
        if (waiter !== undefined && options.signal !== undefined) waiters.push(waiter);
      }
      const { signal } = options;
      if (signal !== undefined && !many.isSettled) watchAbortOfMany(signal, many, waiters);
    });
  }

  #check(input: EventInput, index: number): void {
    try {
      checkEventInput(input);
      if (this.#definitions.size > 0) this.#definitions.validate(input.topic, input.payload);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      throw ofBatch(error, index);
    }
  }

  /** Checks an event and puts it into the encoder. */
  #encode(input: EventInput, options: PublishOptions): TopicRoute {
    checkEventInput(input);
    if (this.#definitions.size > 0) this.#definitions.validate(input.topic, input.payload);
    if (options !== NO_OPTIONS) checkPublishOptions(options);
    const payload = inputPayloadText(input, this.#options.maxPayloadBytes);
    const route = this.#fill(input, payload, options);
    if (this.#isStored) return route;
    if (options.expect !== undefined) throw notStored(input.topic, 'expect');
    const delay = delayOption(options);
    if (delay !== undefined) throw notStored(input.topic, delay);
    return route;
  }

  /** @throws BusError `OPTION_INVALID` */
  #assertStored(topic: string, { persist, ...options }: PublishManyOptions): void {
    const isStored = (persist ?? this.#options.defaultPersist) && !this.#routeOf(topic).isEphemeral;
    if (!isStored) throw notStored(topic, delayOption(options)!);
  }

  /** True if the encoded event is to be stored. */
  get #isStored(): boolean {
    return (this.#encoder.flags & EVENT_FLAG_PERSIST) !== 0;
  }

  #fill(input: EventInput, payload: string, options: Omit<PublishOptions, 'expect'>): TopicRoute {
    if (this.#closed !== undefined) throw this.#closed;
    if (options.signal?.aborted) throw aborted(options.signal);
    const route = this.#routeOf(input.topic);
    const encoder = this.#encoder;
    const { id, timestamp, attributes } = input;
    let flags = 0;
    const persist = options.persist ?? this.#options.defaultPersist;
    if (persist && !route.isEphemeral) flags |= EVENT_FLAG_PERSIST;
    if (options.durability !== 'written') flags |= EVENT_FLAG_SYNCED;
    if (id !== undefined) {
      flags |= EVENT_FLAG_SUPPLIED_ID;
      if (options.idScope === 'source') flags |= EVENT_FLAG_ID_OF_SOURCE;
    }
    if (timestamp !== undefined) flags |= EVENT_FLAG_SUPPLIED_TIMESTAMP;
    encoder.flags = flags;
    encoder.id = id ?? this.#nextId();
    encoder.timestamp = timestamp === undefined ? 0 : parseTimestamp(timestamp);
    encoder.setTopic(input.topic, route.topicBytes);
    encoder.type = input.type;
    encoder.source = input.source ?? this.#options.source;
    encoder.correlationId = input.correlationId ?? '';
    encoder.causationId = input.causationId ?? '';
    encoder.attributes = attributes === undefined ? '' : attributesText(attributes);
    encoder.expiry = expiryOf(input, options.ttlMs);
    encoder.payload = payload;
    return route;
  }

  #routeOf(topic: string): TopicRoute {
    const known = this.#routes.get(topic);
    if (known !== undefined) return known;
    const { noPersistTopics } = this.#options;
    const route = {
      end: this.#ends[shardOf(topic, this.#ends.length, this.#options.shardSegments)]!,
      topicBytes: Buffer.from(topic),
      isEphemeral: noPersistTopics.some((pattern) => matchesPattern(pattern, topic)),
    };
    if (this.#routes.size >= TOPIC_ROUTES_CACHED_MAX) this.#routes.clear();
    this.#routes.set(topic, route);
    return route;
  }
}

/** What a publish with these checked options is bound to. */
function termsOf(options: PublishOptions): PublishTerms | undefined {
  if (options === NO_OPTIONS) return undefined;
  const { expect } = options;
  return expect === undefined ? delayTerms(options) : { expected: expectedSequence(expect) };
}

function delayTerms(options: PublishManyOptions): PublishTerms | undefined {
  const deliverAt = deliveryTime(options);
  return deliverAt === undefined ? undefined : { deliverAt };
}

function checkBatch(inputs: readonly EventInput[]): void {
  if (!Array.isArray(inputs)) {
    throw new BusError('EVENT_INVALID', `publishMany: ${quote(inputs)} is not an array of events`);
  }
  if (inputs.length > PUBLISH_MANY_MAX) {
    const details = { events: inputs.length, limit: PUBLISH_MANY_MAX };
    const message = `publishMany: ${inputs.length} events are over the limit of ${PUBLISH_MANY_MAX}`;
    throw new BusError('LIMIT_EXCEEDED', message, { details });
  }
}

function attributesText(attributes: Readonly<Record<string, string>>): string {
  const text = JSON.stringify(attributes);
  return text === '{}' ? '' : text;
}
