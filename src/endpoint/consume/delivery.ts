/**
 * One event that is leased to a member of this endpoint, as its handler sees it. Used by the endpoint's thread alone.
 */
import {
  DELAY_OF_BACKOFF,
  SETTLE_ACK,
  SETTLE_ACK_WRITTEN,
  SETTLE_HAND_BACK,
  SETTLE_NAK,
  SETTLE_TERM,
  SETTLE_WORKING,
} from '../../link/consumer-records.js';
import { assertReason, parseAckOptions, parseNakOptions } from '../../protocol/consumer-options.js';
import type { AckDurability, AckOptions, Delivery, NakOptions } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { Event, EventInput, PublishAck, PublishOptions } from '../../protocol/event.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { Outcome, Settlement } from './settlements.js';

/** The member, as its deliveries see it. */
export interface DeliveryOwner {
  readonly consumer: {
    readonly id: string;
    readonly name: string;
    readonly definition: { readonly leaseMs: number; readonly ackDurability: AckDurability };
  };
  /** Sends a settlement with others of this turn. */
  settle(delivery: BusDelivery, kind: number, delayMs: number, reason: string): Settlement;
  ackAndPublish(
    delivery: BusDelivery,
    inputs: readonly EventInput[],
    options: PublishOptions | undefined,
  ): Promise<PublishAck[]>;
}

/** What the shard has leased. */
export interface Lease {
  readonly shard: number;
  readonly sequence: number;
  readonly lease: number;
  readonly attempt: number;
  /** When it runs out, a time of `elapsedMs`. */
  readonly deadline: number;
  /** The event goes out while nothing else is in hand. */
  readonly isAlone: boolean;
}

export class BusDelivery<P = unknown> implements Delivery<P> {
  readonly shard: number;
  readonly sequence: number;
  readonly number: number;
  readonly attempt: number;
  readonly isAlone: boolean;
  /** A time of `elapsedMs`. */
  deadline: number;
  /** `over`: it has left the hand of its member. */
  state: 'waiting' | 'begun' | 'over' = 'waiting';
  readonly #owner: DeliveryOwner;
  #isLost = false;
  #settlement: Settlement | undefined;
  #ack: Promise<void> | undefined;
  #working: Promise<Date> | undefined;
  #abort: AbortController | undefined;

  constructor(
    owner: DeliveryOwner,
    lease: Lease,
    readonly event: Event<P>,
  ) {
    this.#owner = owner;
    this.shard = lease.shard;
    this.sequence = lease.sequence;
    this.number = lease.lease;
    this.attempt = lease.attempt;
    this.deadline = lease.deadline;
    this.isAlone = lease.isAlone;
  }

  get leaseUntil(): Date {
    return new Date(Date.now() + this.deadline - elapsedMs());
  }

  get lease(): string {
    return `${this.#owner.consumer.id}.${this.shard}.${this.sequence}.${this.number}`;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#isLost) this.#abort.abort(this.#lost());
    }
    return this.#abort.signal;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Its handler has said what becomes of it. */
  get isSettled(): boolean {
    return this.#settlement !== undefined;
  }

  ack(options: AckOptions = {}): Promise<void> {
    if (this.#ack !== undefined) return this.#ack;
    return orRejected(() => {
      const durability = parseAckOptions(options, this.#owner.consumer.definition.ackDurability);
      if (!isAck(this.#settlement)) this.#settle(kindOf(durability), DELAY_OF_BACKOFF, '');
      this.#ack = this.#decided(this.#settlement!);
      return this.#ack;
    });
  }

  nak(options: NakOptions = {}): Promise<void> {
    return orRejected(() => {
      const { delayMs = DELAY_OF_BACKOFF, isCounted, reason } = parseNakOptions(options);
      const kind = isCounted ? SETTLE_NAK : SETTLE_HAND_BACK;
      return this.#decided(this.#settle(kind, delayMs, reason));
    });
  }

  term(reason: string): Promise<void> {
    return orRejected(() => {
      assertReason(reason);
      return this.#decided(this.#settle(SETTLE_TERM, DELAY_OF_BACKOFF, reason));
    });
  }

  /** While one call is not answered, further ones get its answer. */
  working(): Promise<Date> {
    if (this.#working === undefined) {
      this.#working = this.#extend();
      this.#working.catch(() => {});
    }
    return this.#working;
  }

  async #extend(): Promise<Date> {
    try {
      this.#assertHeld();
      // The shard extends the lease from the time at which it takes this, which is not earlier.
      const until = elapsedMs() + this.#owner.consumer.definition.leaseMs;
      const said = this.#owner.settle(this as BusDelivery, SETTLE_WORKING, DELAY_OF_BACKOFF, '');
      await this.#decided(said);
      this.deadline = Math.max(this.deadline, until);
      return this.leaseUntil;
    } finally {
      this.#working = undefined;
    }
  }

  ackAndPublish(inputs: readonly EventInput[], options?: PublishOptions): Promise<PublishAck[]> {
    return orRejected(() => {
      this.#assertHeld();
      return this.#owner.ackAndPublish(this as BusDelivery, inputs, options);
    });
  }

  /** Settles it for its handler, who waits for no answer. */
  settle(kind: number, delayMs = DELAY_OF_BACKOFF, reason = ''): void {
    if (!this.isSettled && !this.#isLost) this.#settle(kind, delayMs, reason);
  }

  /** Acknowledges it for its handler. */
  finish(): void {
    this.settle(kindOf(this.#owner.consumer.definition.ackDurability));
  }

  /** The shard has said that the lease has ended. */
  lose(): void {
    this.#isLost = true;
    this.#abort?.abort(this.#lost());
  }

  #settle(kind: number, delayMs: number, reason: string): Settlement {
    this.#assertHeld();
    const settlement = this.#owner.settle(this as BusDelivery, kind, delayMs, reason);
    this.#settlement = settlement;
    return settlement;
  }

  #assertHeld(): void {
    if (this.#isLost || this.#settlement !== undefined) throw this.#lost();
  }

  /** A rejection that nobody handles is not reported as unhandled: losing a lease must not end the process. */
  #decided(settlement: Settlement): Promise<void> {
    const decided = new Promise<void>((resolve, reject) => {
      const decide = (outcome: Outcome): void => {
        if (outcome === 'done') resolve();
        else reject(outcome === 'lost' ? this.#lost() : outcome);
      };
      if (settlement.outcome === undefined) settlement.onDecided = decide;
      else decide(settlement.outcome);
    });
    decided.catch(() => {});
    return decided;
  }

  #lost(): BusError {
    const { shard, sequence, number: lease } = this;
    const { name } = this.#owner.consumer;
    const end = this.#settlement === undefined ? 'has ended' : 'was settled';
    return new BusError(
      'LEASE_LOST',
      `lease ${lease} of event ${sequence} of shard ${shard} of consumer '${name}' ${end}`,
      { details: { consumer: name, shard, sequence, lease } },
    );
  }
}

function kindOf(durability: AckDurability): number {
  return durability === 'synced' ? SETTLE_ACK : SETTLE_ACK_WRITTEN;
}

function isAck(settlement: Settlement | undefined): boolean {
  return settlement?.kind === SETTLE_ACK || settlement?.kind === SETTLE_ACK_WRITTEN;
}

/** A call that throws rejects; see `#decided`. */
function orRejected<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    const rejected = Promise.reject(error as Error);
    if (error instanceof BusError && error.code === 'LEASE_LOST') rejected.catch(() => {});
    return rejected;
  }
}
