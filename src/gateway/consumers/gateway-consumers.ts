import type { ConnectionRates } from '../../auth/rate-limiter.js';
import type { Asker } from '../../endpoint/asker.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import {
  type ClientConsumers,
  type ClientMember,
  type ClientTaker,
  internalsOf,
  type KnownConsumer,
  type Pulled,
  type Settled,
  type Settling,
} from '../../endpoint/internals.js';
import type { SubscribeFrom } from '../../protocol/bus-api.js';
import { assertConsumerName, parseConsumerOptions } from '../../protocol/consumer-definition.js';
import type { WireConsumer, WireSettlement } from '../../protocol/consumer-frames.js';
import { parsePullOptions, parseRunOptions } from '../../protocol/consumer-options.js';
import type {
  AckAndPublishOptions,
  ConsumerInfo,
  DeadPage,
  HeldKeyPage,
  OpenPage,
  PageOptions,
  PullOptions,
  RedriveOptions,
  RedriveResult,
  SeekPreview,
} from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput, PublishAck } from '../../protocol/event.js';
import { CONSUMER_CHANGE_TRIES_MAX } from '../../protocol/limits/consumers.js';
import { quote } from '../../protocol/quote.js';
import type { Administrator, Audit } from '../audit.js';
import type { Budget } from '../budget/budget.js';
import { assertStillHolds, permittedEvents, withoutUnreadable } from '../permissions.js';
import type { PublishLane } from '../publish-lane.js';
import { LeaseNames } from './lease-names.js';
import {
  assertMayConsume,
  assertMayManage,
  assertMayNameLetters,
  mayConsumeAny,
} from './permitted.js';

/** The client on whose behalf a call is made. */
export interface ConsumerAsker extends Administrator {
  readonly rates: ConnectionRates;
  readonly budget: Budget;
  /** The connection's id; undefined for a plain request. */
  readonly connection?: string | undefined;
}

export interface JoinRequest {
  readonly consumer: string;
  readonly concurrency: number;
  readonly prefetch?: boolean | undefined;
  readonly name?: string | undefined;
}

/** Besides the options of an atomic `publishMany`. */
export interface AckAndPublishRequest extends AckAndPublishOptions {
  readonly lease: string;
  readonly events: readonly EventInput[];
  readonly name?: string;
}

/** The turns in which shards are asked for the client. */
type ShardTurns = Pick<Asker, 'askInTurn'>;

/** The lists about a consumer that come in pages; each is named as the method of `Consumer`. */
export type PageKind = 'open' | 'heldKeys' | 'dead';
export type AnyPage = OpenPage | HeldKeyPage | DeadPage;

/** A change of a consumer. The bus checks what it holds. */
export type Alteration =
  | { readonly kind: 'pause' | 'resume' | 'delete' }
  | { readonly kind: 'seek'; readonly from: unknown }
  | { readonly kind: 'skip'; readonly shard: unknown; readonly sequence: unknown };

/**
 * Durable consumers for the clients of a gateway, the same for every door: each call checks the grants of its asker. A
 * gateway has one; one thread uses it.
 */
export class GatewayConsumers {
  readonly #endpoint: BusEndpoint;
  readonly #audit: Audit;
  readonly #names = new LeaseNames(() => this.#bus.list(null));

  constructor(endpoint: BusEndpoint, audit: Audit) {
    this.#endpoint = endpoint;
    this.#audit = audit;
  }

  /** The consumer, for an asker who may take from it. @throws BusError `FORBIDDEN`, `CONSUMER_UNKNOWN`, `OPTION_INVALID` */
  async find(
    { principal }: Pick<ConsumerAsker, 'principal'>,
    name: string,
  ): Promise<KnownConsumer> {
    assertMayConsume(principal, name);
    assertConsumerName(name);
    const consumer = await this.#bus.open(name);
    this.#names.remember(consumer);
    return consumer;
  }

  /** Opens a consumer that is there. @throws BusError as `find`, `RATE_LIMITED` */
  async open(asker: ConsumerAsker, name: string): Promise<WireConsumer> {
    asker.rates.query();
    return opened(await this.find(asker, name));
  }

  /**
   * Makes a consumer, or opens it if it has this definition, or changes it if asked.
   *
   * @param options `ConsumerOptions` as a client sent them, which are checked here
   * @returns the consumer, and whether it was made
   * @throws BusError `FORBIDDEN`, `RATE_LIMITED`, and as `Bus.consumer`
   */
  make(
    asker: ConsumerAsker,
    name: string,
    options: unknown,
  ): Promise<{ readonly consumer: WireConsumer; readonly isNew: boolean }> {
    return this.#audit.administer('setConsumer', asker, name, async () => {
      asker.rates.administer();
      assertMayConsume(asker.principal, name);
      assertConsumerName(name);
      const { definition } = parseConsumerOptions(options);
      assertMayManage(asker.principal, name, definition);
      return unlessChanged(name, async () => {
        const [existing] = await this.#bus.list([name]);
        // Who may read the new filter may still have no right to take the consumer from those who use the old one.
        if (existing !== undefined) assertMayManage(asker.principal, name, existing.definition);
        assertMayNameLetters(asker.principal, definition, existing?.definition);
        const consumer = await this.#bus.open(name, options, existing ?? null);
        this.#names.remember(consumer);
        return { consumer: opened(consumer), isNew: existing?.id !== consumer.id };
      });
    });
  }

  /**
   * Takes events for the client. Their leases outlive its connection.
   *
   * @param use is given the deliveries; if it rejects, or the client has gone, they are given back
   * @param signal aborts when the client has gone
   * @throws BusError `FORBIDDEN`, `CONSUMER_UNKNOWN`, `RATE_LIMITED`, `LIMIT_EXCEEDED`, and as `Consumer.pull`
   */
  async pull(
    asker: ConsumerAsker,
    name: string,
    options: PullOptions,
    signal: AbortSignal,
    use: (deliveries: Pulled['deliveries']) => Promise<void>,
  ): Promise<void> {
    const { max, waitMs } = parsePullOptions(options);
    asker.rates.query();
    const consumer = await this.find(asker, name);
    const client = clientOf(asker);
    await asker.budget.pull(async () => {
      const pulled = await this.#bus.pull(consumer, { max, waitMs, client, signal });
      asker.budget.bytes.hold(pulled.bytes);
      asker.budget.turns.found(pulled.deliveries.length, pulled.bytes);
      try {
        // The token may have been revoked while the pull waited.
        assertStillHolds(asker.principal);
        if (signal.aborted) throw new BusError('BUS_CLOSED', 'the server is stopping');
        await use(pulled.deliveries);
      } catch (error) {
        pulled.giveBack();
        throw error;
      } finally {
        asker.budget.bytes.hold(-pulled.bytes);
      }
      pulled.leave();
    });
  }

  /**
   * Settles leases by their texts, side by side.
   *
   * @param name the consumer that all of them have to be of; undefined: each of its own
   * @returns for each, in the order given, what it came to or why it was refused
   * @throws BusError `FORBIDDEN`, `CONSUMER_UNKNOWN` for `name`
   */
  async settle(
    asker: Pick<ConsumerAsker, 'principal'>,
    settlements: readonly WireSettlement[],
    name?: string,
  ): Promise<(Settled | BusError)[]> {
    const consumer = name === undefined ? undefined : await this.find(asker, name);
    const settled = settlements.map((one) => this.settleOne(asker, one, consumer));
    return Promise.all(settled.map((one) => one.catch((error: BusError) => error)));
  }

  /** @throws BusError `MESSAGE_INVALID` if the text is of no lease, `LEASE_LOST`, and as `Delivery.nak` */
  async settleOne(
    asker: Pick<ConsumerAsker, 'principal'>,
    { lease, ...what }: WireSettlement,
    consumer?: KnownConsumer,
  ): Promise<Settled> {
    const found = await this.#lease(asker, lease, consumer);
    return this.#bus.settle(found.consumer, found.lease, what as Settling);
  }

  /**
   * Acknowledges a lease by its text, and publishes events in the same commit.
   *
   * @param name the consumer that the lease has to be of; undefined: any
   * @param held acknowledges a lease that is out with the client's own member; undefined where it is not
   * @throws BusError as `settleOne`, `FORBIDDEN` for a topic, `RATE_LIMITED`, and as `Delivery.ackAndPublish`
   */
  async ackAndPublish(
    asker: Pick<ConsumerAsker, 'principal' | 'rates'>,
    { lease: text, events: inputs, name, ...options }: AckAndPublishRequest,
    lane: PublishLane,
    held?: (events: readonly EventInput[]) => Promise<PublishAck[]> | undefined,
  ): Promise<PublishAck[]> {
    const { principal, rates } = asker;
    const events = permittedEvents(principal, inputs);
    rates.publish(events.length);
    const consumer = name === undefined ? undefined : await this.find(asker, name);
    try {
      return await lane.publishWith(events, async () => {
        const own = held?.(events);
        if (own !== undefined) return own;
        const found = await this.#lease(asker, text, consumer);
        return this.#bus.ackAndPublish(found.consumer, found.lease, events, options);
      });
    } catch (error) {
      throw withoutUnreadable(principal, error);
    }
  }

  /** The lease that a text names, and its consumer, which the asker may take from. */
  async #lease(
    asker: Pick<ConsumerAsker, 'principal'>,
    text: string,
    consumer: KnownConsumer | undefined,
  ) {
    const lease = this.#bus.leaseOf(text);
    if (lease === undefined) {
      const message = `${quote(text)} is the text of no lease`;
      throw new BusError('MESSAGE_INVALID', message, { details: { path: 'lease' } });
    }
    const named = consumer ?? (await this.#consumerOf(asker, lease.consumer));
    if (named?.id !== lease.consumer) {
      // Of a consumer that was deleted, of another one than the caller says, or of one that is not the caller's.
      const message = `lease ${quote(text)} is of no lease of ${quote(named?.name ?? 'any consumer')}`;
      throw new BusError('LEASE_LOST', message, { details: { lease: quote(text) } });
    }
    return { consumer: named, lease };
  }

  /** @throws BusError `FORBIDDEN`, `CONSUMER_UNKNOWN`, `RATE_LIMITED`, `LIMIT_EXCEEDED`, `OPTION_INVALID` */
  async join(
    asker: ConsumerAsker,
    { consumer: name, concurrency, prefetch, name: shown }: JoinRequest,
    taker: (consumer: KnownConsumer) => ClientTaker,
  ): Promise<ClientMember> {
    asker.rates.subscribe();
    const consumer = await this.find(asker, name);
    const given = {
      concurrency,
      ...(prefetch === undefined ? {} : { prefetch }),
      ...(shown === undefined ? {} : { name: shown }),
    };
    const options = parseRunOptions(given, consumer.definition.maxAttempts);
    const client = clientOf(asker);
    return this.#bus.join(consumer, { ...options, client }, taker(consumer));
  }

  /** The consumer's figures and members. @throws BusError as `open` */
  async info(asker: ConsumerAsker, name: string): Promise<ConsumerInfo> {
    asker.rates.query();
    const consumer = await this.find(asker, name);
    return asker.budget.query((turns) => this.#bus.info(consumer, turns));
  }

  /**
   * Those consumers that the asker may take from, by name, one after the other.
   *
   * @param names undefined: all; names of none, and of those that it may not take from, are passed over
   */
  async *list(
    { principal }: Pick<ConsumerAsker, 'principal'>,
    names: readonly string[] | undefined,
    turns: ShardTurns,
  ): AsyncGenerator<ConsumerInfo> {
    const listed = await turns.askInTurn(() => this.#bus.list(names ?? null));
    const permitted = listed.filter(({ name }) => principal.mayConsume(name));
    yield* this.#bus.infos(permitted, turns);
  }

  /**
   * A page of the consumer's open events, of its held keys, or of its dead events.
   * @throws BusError as `info`, `OPTION_INVALID`
   */
  async page(
    asker: ConsumerAsker,
    kind: PageKind,
    name: string,
    options: PageOptions,
  ): Promise<AnyPage> {
    asker.rates.query();
    const consumer = await this.find(asker, name);
    return asker.budget.query<AnyPage>((turns) =>
      this.#control(consumer, asker, turns)[kind](options),
    );
  }

  /** What a seek would change, for those who may do it. @throws BusError as `alter` */
  async seekPreview(asker: ConsumerAsker, name: string, from: unknown): Promise<SeekPreview> {
    asker.rates.query();
    const consumer = await this.find(asker, name);
    assertMayManage(asker.principal, name, consumer.definition);
    return asker.budget.query((turns) =>
      this.#control(consumer, asker, turns).seekPreview(from as SubscribeFrom),
    );
  }

  /** @throws BusError `FORBIDDEN`, `CONSUMER_UNKNOWN`, `RATE_LIMITED`, and as the method of `Consumer` */
  alter(asker: ConsumerAsker, name: string, change: Alteration): Promise<void> {
    const act = change.kind === 'delete' ? 'deleteConsumer' : 'alterConsumer';
    return this.#act(act, asker, name, change.kind, (control) => altered(control, change));
  }

  /** Makes dead events open again; a dry run is an act as well. @throws BusError as `alter` */
  redrive(asker: ConsumerAsker, name: string, options: RedriveOptions): Promise<RedriveResult> {
    return this.#act('alterConsumer', asker, name, 'redrive', (control) =>
      control.redrive(options),
    );
  }

  #act<T>(
    act: 'alterConsumer' | 'deleteConsumer',
    asker: ConsumerAsker,
    name: string,
    what: string,
    work: (control: ReturnType<ClientConsumers['control']>) => Promise<T>,
  ): Promise<T> {
    return this.#audit.administer(act, asker, `${what} ${name}`, async () => {
      asker.rates.administer();
      return unlessChanged(name, async () => {
        const consumer = await this.find(asker, name);
        assertMayManage(asker.principal, name, consumer.definition);
        return work(this.#control(consumer, asker, asker.budget.turns));
      });
    });
  }

  #control(
    consumer: KnownConsumer,
    { principal }: Pick<ConsumerAsker, 'principal'>,
    turns: ShardTurns,
  ): ReturnType<ClientConsumers['control']> {
    return this.#bus.control(consumer, principal.name, turns);
  }

  /** @throws BusError `OPTION_INVALID` for an endpoint that the user made */
  get #bus(): ClientConsumers {
    const consumers = internalsOf(this.#endpoint)?.consumers;
    if (consumers !== undefined) return consumers;
    throw new BusError('OPTION_INVALID', 'this server has no durable consumers');
  }

  /** Undefined: there is none of this id, or the asker may not take from it; which, the text of a lease must not tell. */
  async #consumerOf(
    { principal }: Pick<ConsumerAsker, 'principal'>,
    id: string,
  ): Promise<KnownConsumer | undefined> {
    if (!mayConsumeAny(principal)) return undefined;
    const name = await this.#names.nameOf(id);
    if (name === undefined || !principal.mayConsume(name)) return undefined;
    const [consumer] = await this.#bus.list([name]);
    return consumer;
  }
}

/**
 * Checks grants by what there is, and acts on just that: where another client was faster, the bus refuses the act with
 * `CONFLICT`, and all is checked anew.
 *
 * @throws BusError `CONSUMER_BUSY` where others are faster every time
 */
async function unlessChanged<T>(name: string, act: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < CONSUMER_CHANGE_TRIES_MAX; tries++) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof BusError && error.code === 'CONFLICT')) throw error;
    }
  }
  throw new BusError('CONSUMER_BUSY', `others change consumer ${quote(name)} all the time`, {
    details: { consumer: name },
  });
}

function altered(
  control: ReturnType<ClientConsumers['control']>,
  change: Alteration,
): Promise<void> {
  switch (change.kind) {
    case 'seek':
      return control.seek(change.from as SubscribeFrom);
    case 'skip':
      return control.skip(change as { readonly shard: number; readonly sequence: number });
    default:
      return control[change.kind]();
  }
}

function clientOf({ principal, connection }: ConsumerAsker) {
  const client = { principal: principal.name };
  return connection === undefined ? client : { ...client, connection };
}

function opened({ name, definition, isPaused, createdAt }: KnownConsumer): WireConsumer {
  const created = new Date(createdAt).toISOString();
  return { name, definition, paused: isPaused, createdAt: created };
}
