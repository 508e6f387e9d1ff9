/**
 * A pull for a client of a gateway: takes events that are there, or waits for the first one. Its member leaves as soon
 * as the events are taken; their leases stand, and are settled by their texts, here or at another gateway. Where the
 * client goes away before it has its answer, its events go back at no cost of an attempt. Used by the endpoint's thread
 * alone.
 */
import type { BusError } from '../../protocol/errors.js';
import { PULL_BYTES_MAX } from '../../protocol/limits/consumers.js';
import { UnparsedEvent } from '../../protocol/unparsed-event.js';
import type { ClientDelivery } from './client-member.js';
import type { BusDelivery } from './delivery.js';
import type { Member, Taker } from './member.js';
import type { Members } from './members.js';
import type { MemberConsumer, MemberOptions } from './membership.js';
import { leaseMsOf } from './settling.js';

export interface ClientPullRequest {
  readonly max: number;
  readonly waitMs: number;
  readonly client: NonNullable<MemberOptions['client']>;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /**
   * Does a piece of work in the turn of the client's principal. Many pulls may get their answers at once, and what each
   * then does would be done for all of them in one go.
   */
  inTurn<T>(work: () => T | Promise<T>): Promise<T>;
}

/** The answer to a client's pull. */
export interface Pulled {
  readonly deliveries: readonly ClientDelivery[];
  /** Their payloads' bytes, about. */
  readonly bytes: number;
  /** What was begun of what shards have sent for it, with what went back because it was too many bytes. */
  readonly sent: { readonly jobs: number; readonly bytes: number };
  /** To be called once the client has its answer. */
  leave(): void;
  /** To be called instead if it has none: gives all of them back, at no cost of an attempt. */
  giveBack(): void;
}

export class ClientPull implements Taker {
  readonly #request: ClientPullRequest;
  readonly #member: Member;
  readonly #taken: BusDelivery[] = [];
  #bytes = 0;
  #sentJobs = 0;
  #sentBytes = 0;
  #isDone = false;
  #onFirst: () => void = () => {};
  #failure: BusError | undefined;

  /** @throws BusError as `Members.add` */
  constructor(consumer: MemberConsumer, request: ClientPullRequest, members: Members) {
    const { max: concurrency, client } = request;
    this.#request = request;
    const options = { concurrency, prefetch: false, isDetached: true, sendsOn: true, client };
    this.#member = members.add(consumer, options, this);
    members.release(this.#member);
  }

  /** @throws BusError the failure of a shard, `BUS_CLOSED`, `CONSUMER_UNKNOWN` */
  async take(): Promise<Pulled> {
    const { max, waitMs, signal, inTurn } = this.#request;
    if (waitMs > 0) await this.#first(waitMs, signal);
    if (this.#taken.length < max && this.#failure === undefined && !signal.aborted) {
      await this.#member.shardsHaveLeased();
    }
    await inTurn(() => this.#member.collected());
    return inTurn(() => this.#pulled());
  }

  /** @throws BusError as `take` */
  #pulled(): Pulled {
    this.flush();
    this.#isDone = true;
    this.#member.stop();
    const deliveries = this.#taken.filter(({ isLost }) => !isLost);
    if (this.#failure !== undefined && deliveries.length === 0) {
      void this.#member.leave();
      throw this.#failure;
    }
    return {
      deliveries: deliveries.map((one) => {
        const { lease, attempt, event } = one;
        return { lease, attempt, leaseMs: leaseMsOf(one), event };
      }),
      bytes: this.#bytes,
      sent: { jobs: this.#sentJobs, bytes: this.#sentBytes },
      leave: () => void this.#request.inTurn(() => void this.#member.leave()),
      giveBack: () => {
        for (const delivery of deliveries) if (!delivery.isLost) this.#member.handBack(delivery);
        void this.#member.left();
      },
    };
  }

  flush(): void {
    for (let one = this.#member.begin(); one !== undefined; one = this.#member.begin()) {
      const bytes = bytesOf(one);
      this.#sentJobs++;
      this.#sentBytes += bytes;
      const isOver = this.#isDone || this.#request.signal.aborted;
      if (isOver || (this.#taken.length > 0 && this.#bytes + bytes > PULL_BYTES_MAX)) {
        this.#member.handBack(one);
        this.#member.drain();
        continue;
      }
      this.#bytes += bytes;
      this.#taken.push(one);
      this.#onFirst();
    }
  }

  onOver(delivery: BusDelivery): void {
    this.#member.release(delivery);
  }

  onEnded(error: BusError): void {
    this.#failure = error;
    this.#onFirst();
  }

  #first(waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#taken.length > 0 || this.#failure !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
      this.#onFirst = done;
    });
  }
}

function bytesOf({ event }: BusDelivery): number {
  return event instanceof UnparsedEvent ? Buffer.byteLength(event.payloadText) : 0;
}
