import { MessageChannel } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { type NameOf, numberOf, type RequestOf } from '../../src/link/calls.js';
import {
  CONTROL_CHANNEL,
  createLinkMemory,
  DELIVERY_CHANNEL,
  type LinkEnd,
  PUBLISH_CHANNEL,
} from '../../src/link/link.js';
import {
  ACK_COUNT,
  ACK_KIND,
  ACK_LENGTH,
  ACK_POSITION,
  ACK_SEQUENCE,
  CALL_ID,
  CALL_NUMBER,
  CALL_REQUEST,
  CONTROL_CALL,
  CONTROL_GENERATION,
  DELIVERY_ACK,
  DELIVERY_EVENT,
  DELIVERY_REPLY,
  DELIVERY_STATE,
  EVENT_SEQUENCE,
  PUBLISH,
  REPLY_ID,
  REPLY_JSON,
  REPLY_JSON_LENGTH,
  REPLY_OK,
  STATE_BODY,
  STATE_STATE,
} from '../../src/link/link-records.js';
import {
  GROUP,
  GROUP_HEAD_LENGTH,
  type GroupAck,
  groupItemLength,
  PUBLISH_ON_TERMS,
  type PublishTerms,
  TERMS_LENGTH,
  writeGroupHead,
  writeTerms,
} from '../../src/link/publish-records.js';
import { ShardControl } from '../../src/link/shard-control.js';
import type { SubscribeRequest } from '../../src/link/subscription-calls.js';
import type { BusError } from '../../src/protocol/errors.js';
import { BufferInbox } from '../../src/ring/buffer-inbox.js';
import { RecordReceiver, RecordSender } from '../../src/ring/record-channel.js';
import { createRing, RingConsumer, RingProducer } from '../../src/ring/ring.js';
import { Commands } from '../../src/shards/commands.js';
import { Routes } from '../../src/shards/routes.js';
import { Shard, type ShardOptions } from '../../src/shards/shard.js';
import { ShardEnd } from '../../src/shards/shard-end.js';
import type { SqliteShardLogOptions } from '../../src/store/sqlite/sqlite-log-options.js';
import { SqliteShardLog } from '../../src/store/sqlite/sqlite-shard-log.js';
import { record, type TestEvent } from '../store/records.js';

export interface ToldAck {
  readonly kind: number;
  readonly count: number;
  readonly sequence: number;
  /** Of the ring, behind the last publish that the ack covers. */
  readonly position?: number;
  /** The error of a refusal. */
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface ToldReply {
  readonly id: number;
  /** False if the body is an error. */
  readonly isAnswer: boolean;
  readonly body: unknown;
}

/** Both ends of a link in one thread; the test works the endpoint's end by hand. */
export class TestLink {
  readonly end: LinkEnd;
  readonly publishRing: RingProducer;
  readonly #publishes: RecordSender;
  readonly #controls: RecordSender;
  readonly #deliveries: RecordReceiver;

  /** `publishPosition`: the bytes that have gone through the publish ring before. */
  constructor(ringBytes = 65_536, endpoint = 'test', publishPosition = 0) {
    const { port1, port2 } = new MessageChannel();
    onTestFinished(() => port1.close());
    onTestFinished(() => port2.close());
    const publishRing = createRing(ringBytes, publishPosition);
    const memory = { ...createLinkMemory(ringBytes), publishRing };
    const doorbell = new SharedArrayBuffer(64);
    this.end = { endpoint, shard: 0, memory, doorbell, port: port2 };
    this.publishRing = new RingProducer(memory.publishRing);
    const controlRing = new RingProducer(memory.controlRing);
    const deliveryRing = new RingConsumer(memory.deliveryRing);
    const inbox = new BufferInbox(port1);
    this.#publishes = new RecordSender(this.publishRing, port1, { channel: PUBLISH_CHANNEL });
    this.#controls = new RecordSender(controlRing, port1, { channel: CONTROL_CHANNEL });
    this.#deliveries = new RecordReceiver(deliveryRing, inbox, DELIVERY_CHANNEL);
  }

  /** The shard's end, as each of its threads makes one. */
  shardEnd(): ShardEnd {
    return new ShardEnd(this.end, () => undefined);
  }

  publish(event: TestEvent): void {
    const bytes = record(event);
    if (!this.#publishes.tryClaim(bytes.length)) throw new Error('the publish ring is full');
    bytes.copy(this.#publishes.bytes, this.#publishes.offset);
    this.#publishes.commit(PUBLISH);
  }

  publishOnTerms(event: TestEvent, terms: number | PublishTerms): void {
    const bytes = record(event);
    if (!this.#publishes.tryClaim(TERMS_LENGTH + bytes.length)) throw new Error('no room');
    const { bytes: into, offset } = this.#publishes;
    writeTerms(into, offset, typeof terms === 'number' ? { expected: terms } : terms);
    bytes.copy(this.#publishes.bytes, this.#publishes.offset + TERMS_LENGTH);
    this.#publishes.commit(PUBLISH_ON_TERMS);
  }

  publishGroup(events: readonly (TestEvent & PublishTerms)[], ack?: GroupAck): void {
    const records = events.map(({ expected, deliverAt, ...event }) => ({
      terms: { expected, deliverAt },
      bytes: record(event),
    }));
    const length = records.reduce(
      (sum, { bytes }) => sum + groupItemLength(bytes.length),
      GROUP_HEAD_LENGTH,
    );
    if (!this.#publishes.tryClaim(length)) throw new Error('no room');
    const { bytes: into, offset } = this.#publishes;
    writeGroupHead(into, offset, events.length, ack);
    let at = offset + GROUP_HEAD_LENGTH;
    for (const { terms, bytes } of records) {
      writeTerms(into, at, terms);
      bytes.copy(into, at + TERMS_LENGTH);
      at += groupItemLength(bytes.length);
    }
    this.#publishes.commit(GROUP);
  }

  call<N extends NameOf<'shard' | 'history'>>(
    name: N,
    request: RequestOf<N>,
    { generation = 1, id = 1 } = {},
  ) {
    const text = JSON.stringify(request);
    if (!this.#controls.tryClaim(CALL_REQUEST + text.length)) throw new Error('no room');
    const { bytes, offset } = this.#controls;
    bytes.writeInt32LE(generation, offset + CONTROL_GENERATION);
    bytes.writeInt32LE(id, offset + CALL_ID);
    bytes.writeInt32LE(numberOf(name), offset + CALL_NUMBER);
    bytes.write(text, offset + CALL_REQUEST);
    this.#controls.commit(CONTROL_CALL);
  }

  /** Writes a control record of any kind. */
  control(type: number, length: number, write: (bytes: Buffer, offset: number) => void): void {
    if (!this.#controls.tryClaim(length)) throw new Error('no room');
    write(this.#controls.bytes, this.#controls.offset);
    this.#controls.commit(type);
  }

  /** Shows every record that has come since the last call. */
  read(visit: (type: number, bytes: Buffer, offset: number, length: number) => void): void {
    this.#deliveries.read(visit, 100_000);
    this.#deliveries.release();
  }

  /** The states of any subscription that the shard has sent since the last call. */
  states(): { state: number; body: unknown }[] {
    const states: { state: number; body: unknown }[] = [];
    this.#deliveries.read((type, bytes, offset, length) => {
      if (type !== DELIVERY_STATE) return;
      const body: unknown = JSON.parse(
        bytes.toString('utf8', offset + STATE_BODY, offset + length),
      );
      states.push({ state: bytes.readInt32LE(offset + STATE_STATE), body });
    }, 100_000);
    this.#deliveries.release();
    return states;
  }

  /** The answers and refusals that have come since the last call. */
  replies(): ToldReply[] {
    const replies: ToldReply[] = [];
    this.#deliveries.read((type, bytes, offset) => {
      if (type !== DELIVERY_REPLY) return;
      const end = offset + REPLY_JSON + bytes.readInt32LE(offset + REPLY_JSON_LENGTH);
      const body: unknown = JSON.parse(bytes.toString('utf8', offset + REPLY_JSON, end));
      const isAnswer = bytes.readInt32LE(offset + REPLY_OK) === 1;
      replies.push({ id: bytes.readInt32LE(offset + REPLY_ID), isAnswer, body });
    }, 10_000);
    this.#deliveries.release();
    return replies;
  }

  /** Everything that has come since the last call, in order; an ephemeral event has sequence 0. */
  taken(): (Pick<ToldAck, 'kind' | 'sequence'> | { event: number } | { state: number })[] {
    const taken: ReturnType<TestLink['taken']> = [];
    this.#deliveries.read((type, bytes, offset) => {
      if (type === DELIVERY_EVENT) {
        taken.push({ event: bytes.readDoubleLE(offset + EVENT_SEQUENCE) });
      } else if (type === DELIVERY_ACK) {
        const sequence = bytes.readDoubleLE(offset + ACK_SEQUENCE);
        taken.push({ kind: bytes.readInt32LE(offset + ACK_KIND), sequence });
      } else if (type === DELIVERY_STATE) {
        taken.push({ state: bytes.readInt32LE(offset + STATE_STATE) });
      }
    }, 10_000);
    this.#deliveries.release();
    return taken;
  }

  /** The acks that have come so far. */
  acks(): ToldAck[] {
    const acks: ToldAck[] = [];
    this.#deliveries.read((type, bytes, offset, length) => {
      if (type !== DELIVERY_ACK) return;
      const error = bytes.toString('utf8', offset + ACK_LENGTH, offset + length).trim();
      const { code, details } = error === '' ? {} : (JSON.parse(error) as Partial<BusError>);
      acks.push({
        position: bytes.readInt32LE(offset + ACK_POSITION),
        kind: bytes.readInt32LE(offset + ACK_KIND),
        count: bytes.readInt32LE(offset + ACK_COUNT),
        sequence: bytes.readDoubleLE(offset + ACK_SEQUENCE),
        ...(code === undefined ? {} : { code }),
        ...(details === undefined ? {} : { details }),
      });
    }, 10_000);
    this.#deliveries.release();
    return acks;
  }
}

export function subscribeRequest(
  subscription: number,
  topics: readonly string[],
  rest: Partial<SubscribeRequest> = {},
): SubscribeRequest {
  return {
    subscription,
    filter: { topics },
    overflow: 'catch-up',
    maxBuffer: 1000,
    creditEvents: 100_000,
    creditBytes: 100_000_000,
    since: 0,
    start: 'now',
    ...rest,
  };
}

/** A log in memory with an event on each topic, in order. */
export function memoryLog(
  topics: readonly string[],
  options: Partial<SqliteShardLogOptions> = {},
): SqliteShardLog {
  const log = new SqliteShardLog({ file: ':memory:', shard: 0, ...options });
  onTestFinished(() => log.close());
  for (let first = 0; first < topics.length; first += 4096) {
    for (const topic of topics.slice(first, first + 4096)) {
      const bytes = record({ topic, timestamp: 1 });
      log.append(bytes, 0, 1);
    }
    log.commit(true, []);
  }
  return log;
}

/** A shard without a thread, whose turns the test runs. */
export function makeShard(log = memoryLog([]), isFirst = true, rest: Partial<ShardOptions> = {}) {
  const routes = new Routes();
  const control = ShardControl.create();
  const shard = new Shard(log, routes, control, {
    shard: 0,
    commitBatchEvents: 100,
    publishWaitMs: 1000,
    prunes: false,
    isFirst,
    ...rest,
  });
  const commands = new Commands(shard, log, routes, 1);
  const turn = (between: () => void = () => {}): void => {
    commands.take();
    between();
    shard.turn();
  };
  const join = (link: TestLink): ShardEnd => {
    const shardEnd = link.shardEnd();
    shard.add(shardEnd);
    return shardEnd;
  };
  return { log, routes, control, shard, turn, join };
}
