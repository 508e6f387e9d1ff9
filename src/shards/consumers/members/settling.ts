/**
 * Takes the records by which members settle what they were leased, and grant tokens. Only the shard's loop touches
 * this.
 */
import type { SettlementKind, Verdict } from '../../../consumers/machine-types.js';
import {
  DELAY_OF_BACKOFF,
  SETTLE_ACK,
  SETTLE_ACK_WRITTEN,
  SETTLE_HAND_BACK,
  SETTLE_NAK,
  SETTLE_TERM,
  SETTLE_WORKING,
  SUPPLY_RETURNED,
} from '../../../link/consumer-records.js';
import type { ReasonView, SettleView, TokensView } from '../../../link/consumer-views.js';
import { EventRecordView } from '../../../record/event-record.js';
import type { ShardEnd } from '../../shard-end.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { EventFinder } from '../reading/event-finder.js';
import type { DeskMembers } from './desk-members.js';

const KINDS: Readonly<Record<number, SettlementKind>> = {
  [SETTLE_ACK]: 'ack',
  [SETTLE_ACK_WRITTEN]: 'ack',
  [SETTLE_NAK]: 'nak',
  [SETTLE_HAND_BACK]: 'hand-back',
  [SETTLE_TERM]: 'term',
  [SETTLE_WORKING]: 'working',
};

export class Settling {
  /** An ack of this turn waits for a flush. */
  owesFlush = false;
  readonly #members: DeskMembers;
  readonly #events: EventFinder;
  readonly #now: () => number;
  readonly #view = new EventRecordView();

  constructor(members: DeskMembers, events: EventFinder, now: () => number) {
    this.#members = members;
    this.#events = events;
    this.#now = now;
  }

  settle(end: ShardEnd, record: SettleView): void {
    const link = this.#members.linkOf(end);
    const { member, first, count } = record;
    const consumer = link.members.get(member)?.consumer;
    const now = this.#now();
    for (let i = 0; i < count; i++) {
      const number = first + i;
      const kind = record.kind(i);
      const asked = KINDS[kind] ?? 'ack';
      const reason = link.takeReason(number);
      let verdict: Verdict = 'lost';
      if (consumer !== undefined && number <= link.settled) {
        verdict = this.#settleAgain(consumer, asked, record.sequence(i));
      } else if (consumer !== undefined) {
        verdict = this.#settle(consumer, record, i, now, asked, reason);
        if (verdict === 'done') link.isSettledDirty = true;
        if (verdict === 'done' && kind === SETTLE_ACK) this.owesFlush = true;
      }
      link.noteSettled(member, number, verdict === 'lost');
    }
  }

  /** Its settlement follows. */
  reason(end: ShardEnd, record: ReasonView): void {
    this.#members.linkOf(end).reasons.set(record.number, record.text);
  }

  tokens(end: ShardEnd, record: TokensView): void {
    const { member: number, count, concurrency } = record;
    const member = this.#members.find(end, number);
    if (member === undefined) return;
    const { id, consumer, joined } = member;
    const { machine } = consumer;
    if (concurrency !== joined.concurrency) {
      machine.join(id, concurrency, joined.isDetached);
      member.joined = { ...joined, concurrency };
    }
    if (count >= 0) machine.tokens(id, count);
    else {
      const returned = machine.recall(id, -count);
      member.link.say({ is: 'supply', member: number, what: SUPPLY_RETURNED, count: returned });
    }
  }

  #settle(
    consumer: DeskConsumer,
    record: SettleView,
    index: number,
    now: number,
    kind: SettlementKind,
    reason: string,
  ): Verdict {
    const delay = record.delayMs(index);
    const delayMs = delay === DELAY_OF_BACKOFF ? -1 : delay;
    const sequence = record.sequence(index);
    const { machine, dead } = consumer;
    const verdict = machine.settle(sequence, record.lease(index), kind, now, delayMs, reason);
    // A `seek` or a redrive may have brought back an event that is dead.
    if (verdict === 'done' && kind === 'ack') dead.over(sequence);
    return verdict;
  }

  /** It was decided by a thread that died before it confirmed it. */
  #settleAgain(consumer: DeskConsumer, kind: SettlementKind, sequence: number): Verdict {
    let lane = 0;
    if (consumer.lanes > 1) {
      const found = this.#events.find(sequence, consumer.id);
      const topic = found && this.#view.wrap(found.bytes, found.offset).topic;
      lane = topic === undefined ? consumer.lanes - 1 : consumer.laneOf(topic);
    }
    return consumer.machine.settleAgain(kind, lane, sequence, consumer.dead.isDead(sequence));
  }
}
