/**
 * Serves the commands of endpoints: calls (`src/link/calls.ts`) and grants of credit. In every turn the shard reads
 * them before publishes, between batches, so that a subscription starts, changes and ends at an exact sequence.
 */
import {
  nameOf,
  type PromptHandlers,
  type RequestOf,
  serve,
  type TallyAnswer,
  type TallyRequest,
} from '../link/calls.js';
import { CONTROL_REASON, CONTROL_SETTLE } from '../link/consumer-records.js';
import { ReasonView, SettleView, TokensView } from '../link/consumer-views.js';
import {
  CALL_ID,
  CALL_NUMBER,
  CALL_REQUEST,
  CONTROL_CALL,
  CONTROL_CREDIT,
  CONTROL_GENERATION,
  CREDIT_BYTES_COUNT,
  CREDIT_EVENTS_COUNT,
  CREDIT_SUBSCRIPTION,
} from '../link/link-records.js';
import type {
  AtPosition,
  ResumeRequest,
  SubscribeRequest,
  UpdateRequest,
} from '../link/subscription-calls.js';
import { BusError, type ErrorCode } from '../protocol/errors.js';
import { compilePredicate } from '../protocol/filter.js';
import { EventRecordView } from '../record/event-record.js';
import type { PruneStep } from '../store/pruning.js';
import type { ShardLog, ShardPages, ShardPruning } from '../store/shard-log.js';
import { ConsumerCommands, type ConsumerHandlers } from './consumers/calls/consumer-commands.js';
import { WhenLooked, WhenStored } from './consumers/calls/when-stored.js';
import { Introspection } from './introspection.js';
import { ScheduleCommands, type ScheduleHandlers } from './later/schedule-commands.js';
import { WaitingCommands, type WaitingHandlers } from './later/waiting-commands.js';
import { missing } from './missing.js';
import type { LinkSubscription, Routes } from './routes.js';
import type { Shard } from './shard.js';
import type { ShardEnd } from './shard-end.js';
import { CATCHING_UP, LIVE, REPLAYING, ShardSubscription } from './shard-subscription.js';

/**
 * Errors that are answered to the caller while the shard goes on: a damaged row, a capability that the log lacks, a
 * full store, a request of a wrong shape.
 */
const TOLD_TO_ASKER: ReadonlySet<ErrorCode> = new Set([
  'STORE_CORRUPT',
  'OPTION_INVALID',
  'STORE_FULL',
  'INTERNAL',
  'CONSUMER_UNKNOWN',
  'CONSUMER_BUSY',
  'CONFLICT',
  'LIMIT_EXCEEDED',
]);
/** Commands taken from one link in one turn. */
const COMMANDS_PER_TURN = 1024;

export class Commands {
  readonly #shard: Shard;
  readonly #log: ShardLog;
  readonly #routes: Routes;
  readonly #generation: number;
  readonly #introspection: Introspection;
  readonly #handlers: object;
  readonly #settle = new SettleView();
  readonly #reason = new ReasonView();
  readonly #tokens = new TokensView();
  readonly #view = new EventRecordView();
  #link!: ShardEnd;
  #firstLink = 0;

  constructor(shard: Shard, log: ShardLog, routes: Routes, generation: number) {
    this.#shard = shard;
    this.#log = log;
    this.#routes = routes;
    this.#generation = generation;
    this.#handlers = {
      ...this.#ownHandlers,
      ...new ConsumerCommands(shard).handlers,
      ...new WaitingCommands(log).handlers,
      ...new ScheduleCommands(log, shard.due).handlers,
    };
    this.#introspection = new Introspection(log, routes, shard);
  }

  /** Serves the commands that have arrived; true if there were any. */
  take(): boolean {
    const { links } = this.#shard;
    const first = this.#firstLink++;
    let taken = 0;
    this.#introspection.beginTurn();
    // Every turn begins with another link: the first ones find most of the turn's budget for answers left.
    for (let i = 0; i < links.length; i++) {
      const link = links[(first + i) % links.length]!;
      if (link.leaving) {
        link.gate.open();
        continue;
      }
      this.#link = link;
      link.gate.look();
      const read = link.controls.read(this.#onCommand, COMMANDS_PER_TURN);
      link.gate.pass();
      if (read === 0) continue;
      taken += read;
      if (link.controls.release()) link.wakeEndpoint();
    }
    return taken > 0;
  }

  readonly #onCommand = (type: number, bytes: Buffer, offset: number, length: number): void => {
    if (this.#link.leaving) return;
    // The endpoint wrote this command for an earlier thread of the shard, and repeats it for this one.
    if (bytes.readInt32LE(offset + CONTROL_GENERATION) !== this.#generation) return;
    if (type === CONTROL_CREDIT) this.#credit(bytes, offset);
    else if (type === CONTROL_CALL) this.#serve(bytes, offset, length);
    else this.#consume(type, bytes, offset, length);
  };

  /** A record of a member of a durable consumer. */
  #consume(type: number, bytes: Buffer, offset: number, length: number): void {
    const { desk } = this.#shard;
    if (desk === undefined) return;
    const link = this.#link;
    if (type === CONTROL_SETTLE)
      desk.settling.settle(link, this.#settle.wrap(bytes, offset, length));
    else if (type === CONTROL_REASON)
      desk.settling.reason(link, this.#reason.wrap(bytes, offset, length));
    else desk.settling.tokens(link, this.#tokens.wrap(bytes, offset, length));
  }

  readonly #ownHandlers: Omit<
    PromptHandlers<'shard' | 'history', ShardEnd>,
    keyof (ConsumerHandlers & WaitingHandlers & ScheduleHandlers)
  > = {
    subscribe: (request, link) => this.#subscribe(request, link),
    update: (request, link) => this.#update(request, link),
    unsubscribe: (request, link) => this.#unsubscribe(request, link),
    resume: (request, link) => this.#resume(request, link),
    leave: (_, link) => {
      this.#shard.leave(link);
      return null;
    },
    sync: () => null,
    subscribers: ({ topic, after }) => this.#introspection.subscribers(topic, after),
    laggards: ({ limit }) => this.#introspection.laggards(limit),
    lags: (request) => this.#introspection.lags(request),
    topics: (request) => this.#introspection.topics(request),
    lasts: (request) => this.#introspection.lasts(request),
    tally: (request) => this.#tally(request),
    totals: ({ pattern }) => this.#pruning.totals(pattern),
    pruneStep: (request) => {
      const { archive } = this.#shard;
      const remove = (): PruneStep => this.#pruning.prune(request, archive);
      const step = archive === undefined ? remove() : archive.byRequest(remove);
      if (step.events > 0) this.#shard.pruned();
      return step;
    },
    page: ({ request }) => this.#pages.page(request),
    positionAt: ({ timeMs }) => this.#pages.positionAt(timeMs),
  };

  /**
   * Answers one call. A failure outside `TOLD_TO_ASKER` ends the thread: a log that failed has to be opened again, and
   * the endpoint repeats the call to the next thread.
   */
  #serve(bytes: Buffer, offset: number, length: number): void {
    const link = this.#link;
    const id = bytes.readInt32LE(offset + CALL_ID);
    const name = nameOf(bytes.readInt32LE(offset + CALL_NUMBER));
    const request: unknown = JSON.parse(
      bytes.toString('utf8', offset + CALL_REQUEST, offset + length),
    );
    try {
      const answer = serve(this.#handlers, name, request, link);
      if (answer instanceof WhenStored) {
        this.#shard.desk!.whenStored(() => link.reply(id, name, answer.answer));
      } else if (answer instanceof WhenLooked) {
        const { member } = answer;
        this.#shard.desk!.whenLooked(link, member, () => link.reply(id, name, answer.answer));
      } else link.reply(id, name, answer);
    } catch (error) {
      if (!(error instanceof BusError) || !TOLD_TO_ASKER.has(error.code)) throw error;
      link.refuse(id, error.toJSON());
    }
  }

  get #pages(): ShardPages {
    return this.#log.pages ?? missing('has no history');
  }

  get #pruning(): ShardPruning {
    return this.#log.pruning ?? missing('removes no events');
  }

  #tally(request: TallyRequest): TallyAnswer {
    const { tallies, delivered: position } = this.#shard;
    const counts = tallies.answer(request, this.#log, position);
    return { thread: this.#generation, position, tallies: counts };
  }

  #credit(bytes: Buffer, offset: number): void {
    const subscription = this.#link.subscriptions.get(
      bytes.readInt32LE(offset + CREDIT_SUBSCRIPTION),
    );
    if (subscription === undefined) return;
    subscription.creditEvents += bytes.readInt32LE(offset + CREDIT_EVENTS_COUNT);
    subscription.creditBytes += bytes.readInt32LE(offset + CREDIT_BYTES_COUNT);
    if (subscription.hasCredit) this.#shard.wake(subscription);
  }

  /** @throws BusError `OPTION_INVALID`: the publishers of other nodes cannot be made to wait */
  #subscribe(request: SubscribeRequest, link: ShardEnd): AtPosition {
    if (request.overflow === 'block' && this.#log.isShared) {
      throw new BusError(
        'OPTION_INVALID',
        'overflow is block, and other nodes write to the store of this bus: their publishers cannot be held back',
      );
    }
    const subscription: LinkSubscription = new ShardSubscription(link, request);
    const { delivered } = this.#shard;
    subscription.position = typeof request.start === 'number' ? request.start : delivered;
    if (request.start === 'now') subscription.mode = LIVE;
    else subscription.mode = request.start === 'replay' ? REPLAYING : CATCHING_UP;
    this.#shard.subscribe(subscription);
    return { position: delivered };
  }

  #update({ subscription: number, filter }: UpdateRequest, link: ShardEnd): AtPosition {
    const subscription = link.subscriptions.get(number);
    if (subscription !== undefined) {
      this.#routes.remove(subscription, subscription.filter.topics);
      subscription.filter = filter;
      subscription.predicate = compilePredicate(filter);
      subscription.gapScan = undefined;
      this.#routes.add(subscription, subscription.filter.topics);
      subscription.retain(({ topic, record }) => {
        if (!this.#routes.of(topic).subscriptions.has(subscription)) return false;
        return subscription.predicate?.(this.#view.wrap(record, 0)) ?? true;
      });
      // Its queue may be empty now.
      this.#shard.wake(subscription);
    }
    return { position: this.#shard.delivered };
  }

  #unsubscribe({ subscription: number }: RequestOf<'unsubscribe'>, link: ShardEnd): null {
    const subscription = link.subscriptions.get(number);
    if (subscription !== undefined) this.#shard.unsubscribe(subscription);
    return null;
  }

  #resume({ subscription: number, position, notifyGap }: ResumeRequest, link: ShardEnd): null {
    const subscription = link.subscriptions.get(number);
    if (subscription === undefined || subscription.mode !== REPLAYING) return null;
    subscription.gapsNotified = 0;
    subscription.prunedSeen = notifyGap ? -1 : this.#log.prunedEvents;
    subscription.position = position;
    subscription.behindSince = undefined;
    subscription.mode = CATCHING_UP;
    this.#shard.wake(subscription);
    return null;
  }
}
