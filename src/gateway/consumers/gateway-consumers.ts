import type { Asker } from '../../endpoint/asker.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import {
  type ClientConsumers,
  type ClientMember,
  type ClientTaker,
  internalsOf,
  type KnownConsumer,
} from '../../endpoint/internals.js';
import { assertConsumerName, parseConsumerOptions } from '../../protocol/consumer-definition.js';
import type { WireConsumer } from '../../protocol/consumer-frames.js';
import { parseRunOptions } from '../../protocol/consumer-options.js';
import type {
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
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';
import type { Audit } from '../audit.js';
import { type ConsumerAsker, clientOf } from './consumer-asker.js';
import { type Alteration, altered, unlessChanged } from './consumer-changes.js';
import { GatewayLeases } from './gateway-leases.js';
import { LeaseNames } from './lease-names.js';
import { assertMayConsume, assertMayManage, assertMayNameLetters } from './permitted.js';

export interface JoinRequest {
  readonly consumer: string;
  readonly concurrency: number;
  readonly prefetch?: boolean | undefined;
  readonly name?: string | undefined;
}

/** The turns in which shards are asked for the client. */
type ShardTurns = Pick<Asker, 'askInTurn'>;

/** The lists about a consumer that come in pages; each is named as the method of `Consumer`. */
export type PageKind = 'open' | 'heldKeys' | 'dead';
export type AnyPage = OpenPage | HeldKeyPage | DeadPage;

/**
 * Durable consumers for the clients of a gateway, the same for every door: each call checks the grants of its asker. A
 * gateway has one; one thread uses it.
 */
export class GatewayConsumers {
  readonly #endpoint: BusEndpoint;
  readonly #audit: Audit;
  /** Taking and settling events. */
  readonly leases: GatewayLeases;
  readonly #names = new LeaseNames(() => this.#bus.list(null));

  constructor(endpoint: BusEndpoint, audit: Audit) {
    this.#endpoint = endpoint;
    this.#audit = audit;
    this.leases = new GatewayLeases(
      () => this.#bus,
      this.#names,
      (asker, name) => this.find(asker, name),
    );
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
}

function opened({ name, definition, isPaused, createdAt }: KnownConsumer): WireConsumer {
  const created = new Date(createdAt).toISOString();
  return { name, definition, paused: isPaused, createdAt: created };
}
