/**
 * The acks that come with groups of publishes. They are stored in the transaction of their events, or not at all: so the
 * machines leave the events out of what they store, and take them for done once the commit was made. Nothing has to be
 * taken back if the log has no room. Only the shard's loop touches this.
 */
import type { GroupView } from '../../../link/publish-records.js';
import type { GroupSettling } from '../../group-settling.js';
import type { ShardEnd } from '../../shard-end.js';
import type { DeadChange } from '../dead-changes.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { Claims } from './claims.js';
import type { DeskMembers } from './desk-members.js';

interface GroupAck {
  readonly consumer: DeskConsumer;
  readonly sequence: number;
  readonly isRepeat: boolean;
  /** What the turn had changed in the row of the dead event before. */
  readonly dead: DeadChange | undefined;
}

export class GroupAcks implements GroupSettling {
  /** The ack of a repeat waits for a flush, which its events do not ask for. */
  owesFlush = false;
  readonly #members: DeskMembers;
  readonly #claims: Claims;
  readonly #now: () => number;
  /** Of the open batch. */
  #taken: GroupAck[] = [];
  #isStored = false;
  /** Links whose next group waits until the endpoint has claimed its leases. */
  readonly #held = new Set<ShardEnd>();

  constructor(members: DeskMembers, claims: Claims, now: () => number) {
    this.#members = members;
    this.#claims = claims;
    this.#now = now;
  }

  /** The open batch acknowledges something. */
  get hasAny(): boolean {
    return this.#taken.length > 0;
  }

  settleWithGroup(
    link: ShardEnd,
    { member, sequence, lease }: GroupView,
    isRepeat: boolean,
  ): 'done' | 'ended' | 'later' {
    if (this.#claims.awaits(link)) {
      this.#held.add(link);
      return 'later';
    }
    const consumer = this.#members.find(link, member)?.consumer;
    if (consumer?.machine.beginAck(sequence, lease, this.#now()) !== 'done') return 'ended';
    this.#taken.push({ consumer, sequence, isRepeat, dead: consumer.dead.changeOf(sequence) });
    // A `seek` or a redrive may have brought back an event that is dead.
    consumer.dead.over(sequence);
    if (isRepeat) this.owesFlush = true;
    return 'done';
  }

  /** Lets the groups be taken whose endpoints have claimed their leases; `isOver`: all of them. */
  release(isOver = false): void {
    for (const link of this.#held) {
      if (!isOver && this.#claims.awaits(link)) continue;
      link.isHeld = false;
      this.#held.delete(link);
    }
  }

  committed(): void {
    this.#isStored = true;
    this.owesFlush = false;
  }

  /** The batch was refused. The acks of repeats count all the same, and are stored later. */
  refused(): void {
    for (const { consumer, sequence, isRepeat, dead } of this.#taken) {
      consumer.machine.endAck(sequence, isRepeat, this.#now());
      if (!isRepeat) consumer.dead.restore(sequence, dead);
    }
    this.#taken = [];
  }

  /** What is committed was told: the events are done. */
  end(): void {
    if (!this.#isStored) return;
    this.#isStored = false;
    for (const { consumer, sequence } of this.#taken) {
      consumer.machine.endAck(sequence, true, this.#now());
    }
    this.#taken = [];
  }
}
