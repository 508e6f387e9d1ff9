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
import { BusError, type ErrorCode } from '../protocol/errors.js';
import type { ParsedFilter } from '../protocol/filter.js';
import { compilePredicate } from '../protocol/filter.js';
import type { ShardLog } from '../store/shard-log.js';
import { CATCHING_UP, Consumer, LIVE, REPLAYING } from './consumer.js';
import type { LinkAdapter } from './link-adapter.js';
import { Questions } from './questions.js';
import type { LinkConsumer, Routes } from './routes.js';
import type { Shard } from './shard.js';

const TOLD_TO_ASKER: ReadonlySet<ErrorCode> = new Set(['STORE_CORRUPT', 'OPTION_INVALID']);
/** Commands taken from one link in one turn. */
const COMMANDS_PER_TURN = 1024;

export class Commands {
  readonly #shard: Shard;
  readonly #log: ShardLog;
  readonly #routes: Routes;
  readonly #generation: number;
  readonly #questions: Questions;
  #link!: LinkAdapter;
  #firstLink = 0;

  constructor(shard: Shard, log: ShardLog, routes: Routes, generation: number) {
    this.#shard = shard;
    this.#log = log;
    this.#routes = routes;
    this.#generation = generation;
    this.#questions = new Questions(log, routes, shard);
  }

  /** True if there were any. */
  take(): boolean {
    const { links } = this.#shard;
    const first = this.#firstLink++;
    let taken = 0;
    this.#questions.beginTurn();
    // In turn, as those who ask first may find the turn's budget for answers spent least.
    for (let i = 0; i < links.length; i++) {
      const link = links[(first + i) % links.length]!;
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
    try {
      this.#link.reply(request, true, this.#execute(type, body));
    } catch (error) {
      // A damaged event, or a wish that this log cannot grant, is told to who asks, and the shard goes on.
      if (!(error instanceof BusError) || !TOLD_TO_ASKER.has(error.code)) throw error;
      this.#link.reply(request, false, error.toJSON());
    }
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
        return this.#questions.answer(body as ShardRequest);
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

  /** @throws BusError `OPTION_INVALID`: the publishers of other nodes cannot be made to wait */
  #subscribe(command: SubscribeCommand): { position: number } {
    if (command.overflow === 'block' && this.#log.isShared) {
      throw new BusError(
        'OPTION_INVALID',
        'overflow is block, and other nodes write to the store of this bus: their publishers cannot be held back',
      );
    }
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
      consumer.gapScan = undefined;
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
    consumer.gapsTold = 0;
    consumer.prunedSeen = tellGap ? -1 : this.#log.prunedEvents;
    consumer.position = position;
    consumer.mode = CATCHING_UP;
    this.#shard.wake(consumer);
    return null;
  }
}
