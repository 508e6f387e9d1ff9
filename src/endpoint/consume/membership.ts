/**
 * A member's membership in the shards: it joins each, also the next thread of one that died, and leaves them all at its
 * end. Used by the endpoint's thread alone.
 */
import type { Hand } from '../../handout/consume/hand.js';
import type { JoinOptions } from '../../handout/consume/taker.js';
import type { Waiters } from '../../handout/waiters.js';
import type {
  ConsumerEntry,
  ConsumerJoinRequest,
  ConsumerLeaveRequest,
  HeldLease,
} from '../../link/consumer-shapes.js';
import type { BusError } from '../../protocol/errors.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { BusDelivery } from './delivery.js';
import type { Settlements } from './settlements.js';

/** The consumer, as far as its members have to know it. */
export type MemberConsumer = Pick<ConsumerEntry, 'id' | 'name' | 'definition'>;

export interface MemberOptions extends JoinOptions {
  /** Its leases outlive it. */
  readonly isDetached?: boolean;
  /** The client of a gateway that it works for; for lists of members. */
  readonly client?: { readonly principal: string; readonly connection?: string } | undefined;
  /** Its events leave as text: a payload is parsed only when its value is read. */
  readonly sendsOn?: boolean;
}

/** The member, as its membership sees it. */
export interface Joining {
  readonly number: number;
  readonly consumer: MemberConsumer;
  readonly concurrency: number;
  readonly hand: Hand<BusDelivery>;
  /** The shard does not know a lease that the member has claimed. */
  onLost(shard: number, lease: number): void;
  fail(error: BusError): void;
}

export interface JoinedShards {
  readonly ends: readonly EndpointEnd[];
  /** Of each shard. */
  readonly settlements: readonly Settlements[];
}

export class Membership {
  readonly #member: Joining;
  readonly #options: MemberOptions;
  readonly #shards: JoinedShards;
  readonly #waiters: Waiters;
  readonly #since = Date.now();
  #how: ConsumerLeaveRequest['how'] = 'left';
  #left: Promise<void> | undefined;

  /** @param waiters woken whenever settlements were confirmed */
  constructor(member: Joining, options: MemberOptions, shards: JoinedShards, waiters: Waiters) {
    this.#member = member;
    this.#options = options;
    this.#shards = shards;
    this.#waiters = waiters;
  }

  /** The shards that were not given up. */
  get live(): readonly EndpointEnd[] {
    return this.#shards.ends.filter(({ failure }) => failure === undefined);
  }

  /** True once the member leaves, or nothing comes or goes any more. */
  get isOver(): boolean {
    return this.#left !== undefined;
  }

  /** Joins a shard: for the first time, or the next thread of the shard. */
  join(end: EndpointEnd): void {
    let claimed: readonly HeldLease[] = [];
    const request = (): ConsumerJoinRequest => {
      claimed = this.#leasesOf(end.shard);
      const { isDetached = false, name, client } = this.#options;
      const { number: member, consumer, concurrency } = this.#member;
      const request = { member, consumer: consumer.id, concurrency, isDetached, leases: claimed };
      return { ...request, since: this.#since, ...(name === undefined ? {} : { name }), ...client };
    };
    end.call('consumerJoin', request).then(
      ({ kept }) => {
        const alive = new Set(kept);
        for (const [, lease] of claimed) {
          if (!alive.has(lease)) this.#member.onLost(end.shard, lease);
        }
      },
      (error: BusError) => this.#member.fail(error),
    );
  }

  /** The shard's next thread knows the member: leaves it too, if the member is leaving. */
  goOn(end: EndpointEnd): void {
    if (this.isOver) void this.#leaveShard(end);
  }

  /**
   * Leaves all shards, once; `begin` is called first, `end` when they know and all that the member said is confirmed.
   */
  leave(how: ConsumerLeaveRequest['how'], begin: () => void, end: () => void): Promise<void> {
    if (this.#left === undefined) this.#how = how;
    this.#left ??= this.#leave(begin, end);
    return this.#left;
  }

  /** The shards have ended. */
  close(): void {
    this.#left ??= Promise.resolve();
  }

  /** The leases of a shard that the member has in hand or has settled without an answer. */
  #leasesOf(shard: number): HeldLease[] {
    const { number, hand } = this.#member;
    const held = hand.all().filter((one) => one.shard === shard && !one.isLost);
    const unconfirmed = this.#shards.settlements[shard]!.of(number);
    const leases = new Map<number, HeldLease>();
    for (const one of held) leases.set(one.number, [one.sequence, one.number, one.deadline]);
    for (const { sequence, lease, deadline } of unconfirmed) {
      leases.set(lease, [sequence, lease, leases.get(lease)?.[2] ?? deadline]);
    }
    return [...leases.values()];
  }

  async #leave(begin: () => void, end: () => void): Promise<void> {
    begin();
    await Promise.all(this.live.map((shard) => this.#leaveShard(shard)));
    const { settlements } = this.#shards;
    await this.#waiters.when(() => !settlements.some((of) => of.hasOf(this.#member.number)));
    end();
  }

  /** A shard that is given up meanwhile has lost the member anyway. */
  async #leaveShard(end: EndpointEnd): Promise<void> {
    const request = { member: this.#member.number, how: this.#how };
    await end.call('consumerLeave', () => request).catch(() => {});
  }
}
