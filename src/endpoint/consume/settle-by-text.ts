/**
 * Settles leases by their texts, whoever holds them: a caller who pulled over another gateway, or before a restart. The
 * shard decides by the lease's number alone, so the endpoint needs a member of the consumer to speak as, which takes no
 * events. It joins with the first settlement, and leaves once it was idle for a while. Used by the endpoint's thread
 * alone.
 */
import type { AckAndPublishOptions } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput, PublishAck } from '../../protocol/event.js';
import { SETTLER_IDLE_MS } from '../../protocol/limits/consumers.js';
import { elapsedMs } from '../../threads/elapsed.js';
import { BusDelivery, type DeliveryOwner } from './delivery.js';
import type { LeaseName } from './lease-text.js';
import type { Member } from './member.js';
import type { Members } from './members.js';
import type { MemberConsumer } from './membership.js';
import { type Settled, type Settling, settle } from './settling.js';

/** Neither holds nor takes events. */
const OPTIONS = { concurrency: 0, prefetch: false, isDetached: true };

interface Speaker {
  readonly member: Member;
  /** How many settlements are not decided. */
  undecided: number;
  idle: NodeJS.Timeout | undefined;
}

export class SettlingByText {
  readonly #members: Members;
  /** By the consumer's id. */
  readonly #speakers = new Map<string, Speaker>();

  constructor(members: Members) {
    this.#members = members;
  }

  /**
   * @param consumer the one that the lease names, as it is defined now
   * @throws BusError `LEASE_LOST`, `OPTION_INVALID`, `LIMIT_EXCEEDED`, `BACKPRESSURE`, `BUS_CLOSED`
   */
  settle(consumer: MemberConsumer, lease: LeaseName, what: Settling): Promise<Settled> {
    return this.#speak(consumer, lease, (delivery) => settle(delivery, what));
  }

  /** @throws BusError as `settle`, and as `Delivery.ackAndPublish` */
  ackAndPublish(
    consumer: MemberConsumer,
    lease: LeaseName,
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> {
    return this.#speak(consumer, lease, async (delivery) => {
      // Publishes take another ring than the member's `join`, which has to come first.
      await this.#members.ends[lease.shard]!.call('sync', () => ({}));
      return delivery.ackAndPublish(inputs, options);
    });
  }

  async #speak<T>(
    consumer: MemberConsumer,
    lease: LeaseName,
    say: (delivery: BusDelivery) => Promise<T>,
  ): Promise<T> {
    const settlements = this.#members.settlements[lease.shard];
    if (settlements === undefined) throw lostLease(consumer, lease);
    if (settlements.isFull) {
      const message = `shard ${lease.shard} has yet to confirm the settlements before this one`;
      throw new BusError('BACKPRESSURE', message, { details: { shard: lease.shard } });
    }
    const speaker = this.#speakerOf(consumer);
    clearTimeout(speaker.idle);
    speaker.undecided++;
    try {
      return await say(namedDelivery(consumer, lease, speaker.member));
    } finally {
      if (--speaker.undecided === 0) this.#leaveSoon(consumer.id, speaker);
    }
  }

  #speakerOf(consumer: MemberConsumer): Speaker {
    const known = this.#speakers.get(consumer.id);
    if (known !== undefined) return known;
    const forget = (): void => this.#forget(consumer.id, speaker);
    const taker = { flush: () => {}, onOver: () => {}, onEnded: forget };
    const member = this.#members.add(consumer, OPTIONS, taker);
    // A program need not stay for it.
    this.#members.release(member);
    const speaker: Speaker = { member, undecided: 0, idle: undefined };
    this.#speakers.set(consumer.id, speaker);
    return speaker;
  }

  #leaveSoon(consumer: string, speaker: Speaker): void {
    speaker.idle = setTimeout(() => {
      this.#forget(consumer, speaker);
      void speaker.member.leave();
    }, SETTLER_IDLE_MS).unref();
  }

  #forget(consumer: string, speaker: Speaker): void {
    clearTimeout(speaker.idle);
    if (this.#speakers.get(consumer) === speaker) this.#speakers.delete(consumer);
  }
}

function lostLease({ name }: MemberConsumer, { shard, sequence, number }: LeaseName): BusError {
  const message = `lease ${number} of event ${sequence} of shard ${shard} of consumer '${name}' has ended`;
  const details = { consumer: name, shard, sequence, lease: number };
  return new BusError('LEASE_LOST', message, { details });
}

/** A delivery of which the place alone is known: its event is with its holder, and nobody looks at this one. */
function namedDelivery(consumer: MemberConsumer, lease: LeaseName, member: Member): BusDelivery {
  const owner: DeliveryOwner = {
    consumer,
    settle: (delivery, kind, delayMs, reason) => member.settle(delivery, kind, delayMs, reason),
    ackAndPublish: (delivery, inputs, options) => member.ackAndPublish(delivery, inputs, options),
    onPublished: () => {},
  };
  const { shard, sequence, number } = lease;
  const deadline = elapsedMs() + consumer.definition.leaseMs;
  const held = { shard, sequence, lease: number, attempt: 0, deadline, isAlone: false };
  const texts = { id: '', topic: '', type: '', source: '', timestamp: '' };
  const event: Event = { ...texts, payload: null, shard, sequence };
  return new BusDelivery(owner, held, event);
}
