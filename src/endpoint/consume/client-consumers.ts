/** Durable consumers, as a gateway reaches them for its clients. Used by the endpoint's thread alone. */
import type { ListedConsumer } from '../../link/consumer-shapes.js';
import type { AckAndPublishOptions, ConsumerInfo } from '../../protocol/consumers.js';
import type { EventInput, PublishAck } from '../../protocol/event.js';
import { ClientMember, type ClientMemberOptions, type ClientTaker } from './client-member.js';
import { ClientPull, type ClientPullRequest, type Pulled } from './client-pull.js';
import type { ConsumerHost } from './consumer.js';
import { ConsumerControl, type ControllingConsumer } from './consumer-control.js';
import { consumerInfo } from './consumer-info.js';
import { ConsumerShards, type ShardAsker } from './consumer-shards.js';
import { type LeaseName, type NamedLease, parseLeaseText } from './lease-text.js';
import { consumerInfos } from './list-consumers.js';
import type { MemberConsumer } from './membership.js';
import { openConsumer } from './open-consumer.js';
import { SettlingByText } from './settle-by-text.js';
import type { Settled, Settling } from './settling.js';

export class ClientConsumers {
  readonly #host: ConsumerHost;
  readonly #byText: SettlingByText;

  constructor(host: ConsumerHost) {
    this.#host = host;
    this.#byText = new SettlingByText(host.members);
  }

  /**
   * As `Bus.consumer`: opens the consumer, or makes it where there are options, which are checked.
   *
   * @param onlyOver what there has to be still, null: none; else `CONFLICT`
   */
  open(name: string, options?: unknown, onlyOver?: ListedConsumer | null): Promise<ListedConsumer> {
    this.#host.assertOpen();
    return openConsumer(this.#host.main, name, options, onlyOver);
  }

  /** The consumers of these names; null: all, by name. */
  async list(names: readonly string[] | null): Promise<readonly ListedConsumer[]> {
    this.#host.assertOpen();
    return (await this.#host.main.call('consumers', { names })).consumers;
  }

  /**
   * The figures of these consumers; without those that are deleted.
   *
   * @throws BusError `BUS_CLOSED`, the failure of a shard
   */
  infos(consumers: readonly ListedConsumer[], asker?: ShardAsker): AsyncGenerator<ConsumerInfo> {
    return consumerInfos(consumers, this.#host, asker);
  }

  /** @throws BusError `LIMIT_EXCEEDED`, `BUS_CLOSED`, and the failure of a shard */
  join(consumer: MemberConsumer, options: ClientMemberOptions, client: ClientTaker): ClientMember {
    this.#host.assertOpen();
    return new ClientMember(consumer, options, client, this.#host.members);
  }

  /** @throws BusError as `Consumer.pull` */
  pull(consumer: MemberConsumer, request: ClientPullRequest): Promise<Pulled> {
    return request.inTurn(() => {
      this.#host.assertOpen();
      return new ClientPull(consumer, request, this.#host.members).take();
    });
  }

  /** The lease that a text names; undefined if it is of none. */
  leaseOf(text: string): NamedLease | undefined {
    return parseLeaseText(text);
  }

  /** Settles a lease, whoever holds it. @throws BusError `LEASE_LOST`, `OPTION_INVALID`, `BACKPRESSURE`, `BUS_CLOSED` */
  async settle(consumer: MemberConsumer, lease: LeaseName, what: Settling): Promise<Settled> {
    this.#host.assertOpen();
    return this.#byText.settle(consumer, lease, what);
  }

  /**
   * Acknowledges a lease, whoever holds it, and publishes events in the same commit.
   * @throws BusError as `Delivery.ackAndPublish`, `BACKPRESSURE`
   */
  async ackAndPublish(
    consumer: MemberConsumer,
    lease: LeaseName,
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> {
    this.#host.assertOpen();
    return this.#byText.ackAndPublish(consumer, lease, inputs, options);
  }

  /**
   * The half of a consumer by which it is directed, as long as it has this definition; else its changes are refused with
   * `CONFLICT`. `by`: the principal that asks.
   */
  control(consumer: ListedConsumer, by: string, asker: ShardAsker): ControllingConsumer {
    const terms = { by, onlyAs: consumer.definition };
    return new ConsumerControl(consumer, this.#host, terms, asker);
  }

  /** @throws BusError `CONSUMER_UNKNOWN`, `BUS_CLOSED`, the failure of a shard */
  async info(consumer: ListedConsumer, asker?: ShardAsker): Promise<ConsumerInfo> {
    this.#host.assertOpen();
    return consumerInfo(
      consumer,
      await new ConsumerShards(consumer, this.#host, asker).states(),
      this.#host.epoch,
    );
  }
}
