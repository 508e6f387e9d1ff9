/**
 * A consumer, as a program in this thread holds it: the half by which it takes events, on that by which it is directed.
 * Used by the endpoint's thread alone.
 */

import type { NoticeHost } from '../../handout/consume/consumer-notices.js';
import { DeliveryIterator } from '../../handout/consume/delivery-iterator.js';
import { ConsumerRun, type RunHost } from '../../handout/consume/run.js';
import type { Join } from '../../handout/consume/taker.js';
import { parsePullOptions, parseRunOptions } from '../../protocol/consumer-options.js';
import type {
  Consumer,
  Delivery,
  DeliveryHandler,
  PullOptions,
  Run,
  RunOptions,
} from '../../protocol/consumers.js';
import { optionInvalid } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { SINK_PLACE, type SinkPlace } from '../../protocol/sink-figures.js';
import { ConsumerControl } from './consumer-control.js';
import type { ControlHost } from './consumer-shards.js';
import type { BusDelivery } from './delivery.js';
import type { Members } from './members.js';
import type { MemberConsumer } from './membership.js';
import { Pull } from './pull.js';

/** The endpoint, as its consumers see it. */
export interface ConsumerHost extends RunHost, ControlHost, NoticeHost {
  readonly members: Members;
  /** Where sinks on these consumers show themselves. */
  readonly sinks: SinkPlace;
  /** Calls the handler within a span of the program's tracing. */
  trace(delivery: Delivery, handler: DeliveryHandler): void | Promise<void>;
  /** The runs, whose handlers a close waits for. */
  readonly runs: Set<ConsumerRun>;
}

export class BusConsumer<P = unknown> extends ConsumerControl implements Consumer<P> {
  readonly #consumer: MemberConsumer;
  readonly #host: ConsumerHost;
  readonly #join: Join<BusDelivery> = (options, taker) =>
    this.#host.members.add(this.#consumer, options, taker);

  constructor(consumer: MemberConsumer, host: ConsumerHost) {
    super(consumer, host);
    this.#consumer = consumer;
    this.#host = host;
  }

  get [SINK_PLACE](): SinkPlace {
    return this.#host.sinks;
  }

  get name(): string {
    return this.#consumer.name;
  }

  run(handler: DeliveryHandler<P>, options: RunOptions = {}): Run {
    const host = this.#host;
    host.assertOpen();
    if (typeof handler !== 'function') {
      throw optionInvalid('run', 'handler', `has to be a function, not ${quote(handler)}`);
    }
    const parsed = parseRunOptions(options, this.#consumer.definition.maxAttempts);
    const traced: DeliveryHandler = (delivery) => host.trace(delivery, handler as DeliveryHandler);
    const run = new ConsumerRun(this.#join, traced, parsed, host);
    host.runs.add(run);
    const forget = (): void => void host.runs.delete(run);
    run.closed.then(forget, forget);
    return run;
  }

  deliveries(options: RunOptions = {}): AsyncIterableIterator<Delivery<P>> {
    const host = this.#host;
    host.assertOpen();
    const parsed = parseRunOptions(options, this.#consumer.definition.maxAttempts);
    const taker = new DeliveryIterator(this.#join, parsed);
    return taker.iterator() as AsyncIterableIterator<Delivery<P>>;
  }

  async pull(options: PullOptions = {}): Promise<Delivery<P>[]> {
    const host = this.#host;
    host.assertOpen();
    const { max, waitMs } = parsePullOptions(options);
    const pull = new Pull(this.#consumer, max, host.members);
    return (await pull.take(waitMs)) as Delivery<P>[];
  }
}
