import { BusError } from '../protocol/errors.js';
import type {
  EventInput,
  PublishAck,
  PublishManyOptions,
  PublishOptions,
} from '../protocol/event.js';
import type { PublishWithAck } from './consume/member.js';
import type { Publisher } from './publish/publisher.js';
import { ReadCalls } from './read-calls.js';
import { activeTracing } from './tracing.js';

const NO_ACK_AND_PUBLISH =
  'the store of this bus keeps acks apart from events, and cannot store both in one commit: it does not take ackAndPublish';

/** The calls of an endpoint that publish, within spans where the program traces. */
export abstract class PublishCalls extends ReadCalls {
  protected abstract readonly publisher: Publisher;

  publish<P>(input: EventInput<P>, options?: PublishOptions): Promise<PublishAck> {
    const tracing = activeTracing();
    if (tracing === undefined) return this.publisher.publish(input, options);
    return tracing.publish(input, (traced) => this.publisher.publish(traced, options));
  }

  publishMany<P>(
    inputs: readonly EventInput<P>[],
    options?: PublishManyOptions,
  ): Promise<PublishAck[]> {
    const tracing = activeTracing();
    if (tracing === undefined) return this.publisher.publishMany(inputs, options);
    return tracing.publishMany(inputs, (traced) => this.publisher.publishMany(traced, options));
  }

  tryPublish<P>(input: EventInput<P>, options?: PublishOptions): boolean {
    const tracing = activeTracing();
    if (tracing === undefined) return this.publisher.tryPublish(input, options);
    return tracing.tryPublish(input, (traced) => this.publisher.tryPublish(traced, options));
  }

  /** For `Delivery.ackAndPublish`. @throws BusError as `publishMany`, `LEASE_LOST` */
  protected readonly publishWithAck: PublishWithAck = (inputs, options, ack) => {
    const { ends, deskEnds } = this.reading;
    if (deskEnds !== ends)
      return Promise.reject(new BusError('OPTION_INVALID', NO_ACK_AND_PUBLISH));
    const tracing = activeTracing();
    if (tracing === undefined) return this.publisher.publishWithAck(inputs, options, ack);
    return tracing.publishMany(inputs, (traced) =>
      this.publisher.publishWithAck(traced, options, ack),
    );
  };

  drained(): Promise<void> {
    return this.publisher.drained();
  }
}
