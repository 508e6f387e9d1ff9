import { ConsumerNotices, type NoticeHost } from '../../handout/consume/consumer-notices.js';
import { DeliveryIterator } from '../../handout/consume/delivery-iterator.js';
import { ConsumerRun, type HandlerCall, type RunHost } from '../../handout/consume/run.js';
import type { Join } from '../../handout/consume/taker.js';
import type { WireConsumer } from '../../protocol/consumer-frames.js';
import {
  assertEventPlace,
  assertSeekFrom,
  parsePageOptions,
  parsePullOptions,
  parseRedriveOptions,
  parseRunOptions,
} from '../../protocol/consumer-options.js';
import type {
  Consumer,
  ConsumerEvents,
  ConsumerInfo,
  DeadPage,
  Delivery,
  DeliveryHandler,
  HeldKeyPage,
  OpenPage,
  PageOptions,
  PullOptions,
  RedriveOptions,
  RedriveResult,
  Run,
  RunOptions,
  SeekPreview,
} from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { optionInvalid } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';
import type { Requests } from '../requests.js';
import { wireFrom } from '../subscribe-options.js';
import type { RemoteDelivery } from './remote-delivery.js';
import type { RemoteMembers } from './remote-members.js';
import { RemotePull } from './remote-pull.js';

/** A consumer of the server's bus, as a program holds it by a client. */

export interface ConsumerHost extends RunHost, NoticeHost {
  readonly members: RemoteMembers;
  /** The runs, whose handlers a drain of the client waits for. */
  readonly runs: Set<ConsumerRun<RemoteDelivery>>;
  /** @throws BusError if the client is closed or has failed */
  requests(): Requests;
}

export class ClientConsumer<P = unknown> implements Consumer<P> {
  readonly #consumer: WireConsumer;
  readonly #host: ConsumerHost;
  readonly #notices: ConsumerNotices;
  readonly #join: Join<RemoteDelivery> = (options, taker) =>
    this.#host.members.add(this.#consumer, options, taker);

  constructor(consumer: WireConsumer, host: ConsumerHost) {
    this.#consumer = consumer;
    this.#host = host;
    this.#notices = new ConsumerNotices({ name: consumer.name }, host);
  }

  get name(): string {
    return this.#consumer.name;
  }

  run(handler: DeliveryHandler<P>, options: RunOptions = {}): Run {
    const host = this.#host;
    host.requests();
    if (typeof handler !== 'function') {
      throw optionInvalid('run', 'handler', `has to be a function, not ${quote(handler)}`);
    }
    const parsed = parseRunOptions(options, this.#consumer.definition.maxAttempts);
    const run = new ConsumerRun(this.#join, handler as HandlerCall, parsed, host);
    host.runs.add(run);
    const forget = (): void => void host.runs.delete(run);
    run.closed.then(forget, forget);
    return run;
  }

  deliveries(options: RunOptions = {}): AsyncIterableIterator<Delivery<P>> {
    this.#host.requests();
    const parsed = parseRunOptions(options, this.#consumer.definition.maxAttempts);
    const taker = new DeliveryIterator(this.#join, parsed);
    return taker.iterator() as AsyncIterableIterator<Delivery<P>>;
  }

  async pull(options: PullOptions = {}): Promise<Delivery<P>[]> {
    const { max, waitMs } = parsePullOptions(options);
    const { members } = this.#host;
    const pull = new RemotePull(this.#consumer, members.settler, members);
    const payload = JSON.stringify({ consumer: this.name, max, waitMs });
    const { deliveries = [] } = await this.#host.requests().order('pull', payload);
    return pull.take(deliveries) as Delivery<P>[];
  }

  async info(): Promise<ConsumerInfo> {
    const payload = JSON.stringify({ names: [this.name] });
    const { consumers = [] } = await this.#host.requests().ask('consumers', payload);
    const [info] = consumers;
    if (info !== undefined) return info;
    throw new BusError('CONSUMER_UNKNOWN', `there is no consumer ${quote(this.name)}`, {
      details: { consumer: this.name },
    });
  }

  async open(page: PageOptions = {}): Promise<OpenPage> {
    parsePageOptions('open', page);
    return (await this.#host.requests().ask('consumerOpen', this.#text(page))).page as OpenPage;
  }

  async heldKeys(page: PageOptions = {}): Promise<HeldKeyPage> {
    parsePageOptions('heldKeys', page);
    const answer = await this.#host.requests().ask('consumerHeldKeys', this.#text(page));
    return answer.page as HeldKeyPage;
  }

  async dead(page: PageOptions = {}): Promise<DeadPage> {
    parsePageOptions('dead', page);
    return (await this.#host.requests().ask('consumerDead', this.#text(page))).page as DeadPage;
  }

  pause(): Promise<void> {
    return this.#alter({ kind: 'pause' });
  }

  resume(): Promise<void> {
    return this.#alter({ kind: 'resume' });
  }

  async seek(from: SubscribeFrom): Promise<void> {
    assertSeekFrom(from);
    await this.#alter({ kind: 'seek', from: wireFrom(from) });
  }

  async seekPreview(from: SubscribeFrom): Promise<SeekPreview> {
    assertSeekFrom(from);
    const payload = this.#text({ from: wireFrom(from) });
    const { preview } = await this.#host.requests().ask('seekPreview', payload);
    return preview!;
  }

  async skip(event: { readonly shard: number; readonly sequence: number }): Promise<void> {
    assertEventPlace(event);
    const { shard, sequence } = event;
    await this.#alter({ kind: 'skip', shard, sequence });
  }

  async redrive(options: RedriveOptions = {}): Promise<RedriveResult> {
    const { ids, isDry } = parseRedriveOptions(options);
    const payload = this.#text({ ids, dryRun: isDry });
    const answer = await this.#host.requests().order('redrive', payload);
    const { redriven = [], unknown = [], isComplete = true } = answer;
    return { redriven, unknown, isComplete };
  }

  async delete(): Promise<void> {
    await this.#alter({ kind: 'delete' });
    this.#notices.close();
  }

  on<E extends keyof ConsumerEvents>(event: E, listener: ConsumerEvents[E]): this {
    this.#host.requests();
    this.#notices.on(event, listener);
    return this;
  }

  /** Sent once: if the connection is lost before the answer comes, it may be done or not. */
  async #alter(change: object): Promise<void> {
    await this.#host.requests().order('alterConsumer', this.#text({ change }));
  }

  #text(fields: object): string {
    return JSON.stringify({ name: this.name, ...fields });
  }
}
