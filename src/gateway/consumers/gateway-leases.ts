import type {
  ClientConsumers,
  KnownConsumer,
  Pulled,
  Settled,
  Settling,
} from '../../endpoint/internals.js';
import type { WireSettlement } from '../../protocol/consumer-frames.js';
import { parsePullOptions } from '../../protocol/consumer-options.js';
import type { AckAndPublishOptions, PullOptions } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput, PublishAck } from '../../protocol/event.js';
import { quote } from '../../protocol/quote.js';
import { assertStillHolds, permittedEvents, withoutUnreadable } from '../permissions.js';
import type { PublishLane } from '../publish-lane.js';
import { type ConsumerAsker, clientOf } from './consumer-asker.js';
import type { LeaseNames } from './lease-names.js';
import { mayConsumeAny } from './permitted.js';

/** Besides the options of an atomic `publishMany`. */
export interface AckAndPublishRequest extends AckAndPublishOptions {
  readonly lease: string;
  readonly events: readonly EventInput[];
  readonly name?: string;
}

type Finding = (asker: Pick<ConsumerAsker, 'principal'>, name: string) => Promise<KnownConsumer>;

/**
 * Leases that clients take and settle by their texts, which outlive connections and processes. Each call checks the grants
 * of its asker. Belongs to `GatewayConsumers`; one thread uses it.
 */
export class GatewayLeases {
  readonly #bus: () => ClientConsumers;
  readonly #names: LeaseNames;
  readonly #find: Finding;

  /** @param find the consumer of a name, for an asker who may take from it */
  constructor(bus: () => ClientConsumers, names: LeaseNames, find: Finding) {
    this.#bus = bus;
    this.#names = names;
    this.#find = find;
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
    const consumer = await this.#find(asker, name);
    const client = clientOf(asker);
    await asker.budget.pull(async () => {
      const { work } = asker.budget;
      const inTurn = <T>(piece: () => T | Promise<T>): Promise<T> => work.inTurn(piece);
      const pulled = await this.#bus().pull(consumer, { max, waitMs, client, signal, inTurn });
      asker.budget.bytes.hold(pulled.bytes);
      asker.budget.turns.found(pulled.sent.jobs, pulled.sent.bytes);
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
    const consumer = name === undefined ? undefined : await this.#find(asker, name);
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
    return this.#bus().settle(found.consumer, found.lease, what as Settling);
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
    const consumer = name === undefined ? undefined : await this.#find(asker, name);
    try {
      return await lane.publishWith(events, async () => {
        const own = held?.(events);
        if (own !== undefined) return own;
        const found = await this.#lease(asker, text, consumer);
        return this.#bus().ackAndPublish(found.consumer, found.lease, events, options);
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
    const lease = this.#bus().leaseOf(text);
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

  /** Undefined: there is none of this id, or the asker may not take from it; which, the text of a lease must not tell. */
  async #consumerOf(
    { principal }: Pick<ConsumerAsker, 'principal'>,
    id: string,
  ): Promise<KnownConsumer | undefined> {
    if (!mayConsumeAny(principal)) return undefined;
    const name = await this.#names.nameOf(id);
    if (name === undefined || !principal.mayConsume(name)) return undefined;
    const [consumer] = await this.#bus().list([name]);
    return consumer;
  }
}
