/**
 * The part of a shard's loop that serves durable consumers. In each turn it decides, together with the batch: it takes
 * settlements, matches the batch's events, ends what is due and leases. What it decided is stored in the batch's
 * transaction, and told only after the commit: so an attempt is counted before its event is handed out, and an ack that
 * is confirmed is stored. Only the shard's loop touches this.
 */
import type { Before, Examined, SettlementKind } from '../../consumers/machine-types.js';
import {
  DELAY_OF_BACKOFF,
  SETTLE_ACK,
  SETTLE_ACK_WRITTEN,
  SETTLE_HAND_BACK,
  SETTLE_NAK,
  SETTLE_TERM,
  SETTLE_WORKING,
  SUPPLY_DRY,
  SUPPLY_READY,
  SUPPLY_RETURNED,
} from '../../link/consumer-records.js';
import type { ConsumerEntry, ConsumerJoinRequest } from '../../link/consumer-shapes.js';
import type { ReasonView, SettleView, TokensView } from '../../link/consumer-views.js';
import { BusError } from '../../protocol/errors.js';
import {
  CLAIMS_WAIT_MS,
  CONSUMER_FULL_RETRY_MS,
  CONSUMER_READ_EVENTS_PER_TURN,
  LEASES_PER_TURN,
} from '../../protocol/limits/consumers.js';
import { EventRecordView } from '../../record/event-record.js';
import type { ShardConsumers, StoredLane } from '../../store/consumer-states.js';
import type { RingPosition, ShardLog } from '../../store/shard-log.js';
import { PatternTrie } from '../matching/pattern-trie.js';
import { TopicMatches } from '../matching/topic-matches.js';
import type { PublishBatch } from '../publish-batch.js';
import type { ShardEnd } from '../shard-end.js';
import { DeskConsumer } from './desk-consumer.js';
import { DeskLink } from './desk-link.js';
import { EventFinder } from './event-finder.js';
import { LaneReader } from './lane-reader.js';

const KINDS: Readonly<Record<number, SettlementKind>> = {
  [SETTLE_ACK]: 'ack',
  [SETTLE_ACK_WRITTEN]: 'ack',
  [SETTLE_NAK]: 'nak',
  [SETTLE_HAND_BACK]: 'hand-back',
  [SETTLE_TERM]: 'term',
  [SETTLE_WORKING]: 'working',
};

export interface DeskOptions {
  readonly log: ShardLog;
  readonly store: ShardConsumers;
  readonly before: Before;
  /** For each endpoint the number of its last settlement that a dead thread has stored. */
  readonly settled: ReadonlyMap<string, number>;
  /** Monotonic ms that all threads share, and recorded time. */
  readonly now: () => number;
  readonly recordedAt: () => number;
  readonly onDamage: (error: BusError) => void;
}

export function consumerUnknown(id: string): BusError {
  return new BusError('CONSUMER_UNKNOWN', `there is no consumer ${id}`, { details: { id } });
}

export class Desk {
  readonly #options: DeskOptions;
  readonly #log: ShardLog;
  readonly #store: ShardConsumers;
  readonly #stored = new Map<string, StoredLane>();
  readonly #consumers = new Map<string, DeskConsumer>();
  #listed: readonly DeskConsumer[] = [];
  readonly #members = new Map<number, { consumer: DeskConsumer; link: DeskLink }>();
  readonly #links = new Map<ShardEnd, DeskLink>();
  readonly #trie = new PatternTrie<DeskConsumer>();
  readonly #matches = new TopicMatches(this.#trie, (_topic, matched: DeskConsumer[]) => matched);
  readonly #reader: LaneReader;
  readonly #view = new EventRecordView();
  /** Ids of consumers that are gone and whose rows are not. */
  readonly #removed = new Set<string>();
  /** Those of which the open batch removes the last rows. */
  #removedNow: string[] = [];
  #claimsUntil: number;
  /** An ack of this turn waits for a flush. */
  #owesFlush = false;
  /** The store had no room for what was decided: nothing is told until it has. */
  #retryAt = 0;
  readonly #events: EventFinder;
  /** Events of the log that were examined in this turn. */
  #examined = 0;

  /** @throws BusError `STORE_CORRUPT` */
  constructor(options: DeskOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#store = options.store;
    for (const lane of options.store.load()) this.#stored.set(lane.consumer, lane);
    const isReplaced = options.before === 'replaced';
    this.#claimsUntil = isReplaced ? options.now() + CLAIMS_WAIT_MS : Number.POSITIVE_INFINITY;
    this.#events = new EventFinder(this.#log, options.onDamage);
    this.#reader = new LaneReader(this.#log, (topic) => this.#of(topic), options.onDamage);
  }

  /** Takes the list of all consumers: makes, changes and removes its own by it. @throws BusError `STORE_CORRUPT` */
  apply(entries: readonly ConsumerEntry[]): void {
    const ids = new Set(entries.map(({ id }) => id));
    for (const entry of entries) {
      const known = this.#consumers.get(entry.id);
      if (known === undefined) this.#make(entry);
      else {
        this.#route(known, false);
        known.change(entry);
        this.#route(known, true);
      }
    }
    for (const [id, consumer] of this.#consumers) {
      if (ids.has(id)) continue;
      this.#route(consumer, false);
      this.#consumers.delete(id);
      for (const [member, of] of this.#members) if (of.consumer === consumer) this.#part(member);
      this.#removed.add(id);
    }
    for (const id of this.#stored.keys()) if (!ids.has(id)) this.#removed.add(id);
    this.#listed = [...this.#consumers.values()];
  }

  /** True if it has no consumer, and nothing is left of former ones. */
  get isEmpty(): boolean {
    return this.#consumers.size === 0 && this.#removed.size === 0;
  }

  /** @returns the leases of a member of before that go on */
  join(request: ConsumerJoinRequest, end: ShardEnd): number[] {
    const { member, consumer: id, concurrency, isDetached, leases } = request;
    const consumer = this.#consumers.get(id);
    if (consumer === undefined) throw consumerUnknown(id);
    const link = this.#linkOf(end);
    link.members.add(member);
    this.#members.set(member, { consumer, link });
    consumer.machine.join(member, concurrency, isDetached);
    return consumer.machine.claim(member, leases).map(([, lease]) => lease);
  }

  leave(member: number, how: 'left' | 'died'): void {
    const of = this.#members.get(member);
    if (of === undefined) return;
    of.consumer.machine.leave(member, how, this.#options.now());
    this.#part(member);
  }

  /** The link's endpoint has left, or died: its members go, and nothing is told to it any more. */
  leaveLink(end: ShardEnd): void {
    const link = this.#links.get(end);
    if (link === undefined) return;
    for (const member of [...link.members]) this.leave(member, 'died');
    this.#links.delete(end);
  }

  settle(end: ShardEnd, record: SettleView): void {
    const link = this.#linkOf(end);
    const { member, first, count } = record;
    const machine = this.#members.get(member)?.consumer.machine;
    const now = this.#options.now();
    for (let i = 0; i < count; i++) {
      const number = first + i;
      const sequence = record.sequence(i);
      const kind = record.kind(i);
      const asked = KINDS[kind] ?? 'ack';
      const reason = link.reasons.get(number) ?? '';
      link.reasons.delete(number);
      let verdict = 'lost';
      if (machine !== undefined && number <= link.settled) {
        verdict = machine.settleAgain(asked, 0, sequence, this.#isDead(member, sequence));
      } else if (machine !== undefined) {
        const delay = record.delayMs(i);
        const delayMs = delay === DELAY_OF_BACKOFF ? -1 : delay;
        verdict = machine.settle(sequence, record.lease(i), asked, now, delayMs, reason);
        if (verdict === 'done') link.isSettledDirty = true;
        if (verdict === 'done' && kind === SETTLE_ACK) this.#owesFlush = true;
      }
      link.noteSettled(member, number, verdict === 'lost');
    }
  }

  reason(end: ShardEnd, record: ReasonView): void {
    this.#linkOf(end).reasons.set(record.number, record.text);
  }

  tokens(record: TokensView): void {
    const of = this.#members.get(record.member);
    if (of === undefined) return;
    const { member, count, concurrency } = record;
    of.consumer.machine.join(member, concurrency, false);
    if (count >= 0) of.consumer.machine.tokens(member, count);
    else {
      const returned = of.consumer.machine.recall(member, -count);
      of.link.say({ is: 'supply', member, what: SUPPLY_RETURNED, count: returned });
    }
  }

  /** Matches the batch's events, which are appended and not committed, ends what is due, and leases. */
  decide(batch: PublishBatch): void {
    const now = this.#options.now();
    if (batch.appended > 0) this.#match(batch);
    if (now >= this.#claimsUntil) {
      this.#claimsUntil = Number.POSITIVE_INFINITY;
      for (const { machine } of this.#listed) machine.endClaims(false, now);
    }
    this.#examined = 0;
    let left = LEASES_PER_TURN;
    for (const consumer of this.#listed) {
      if (consumer.machine.nextDue <= now) consumer.machine.expire(now);
      left -= consumer.lease(left, now);
    }
  }

  /** Whether there is something to commit now. */
  get isDirty(): boolean {
    if (this.#retryAt > this.#options.now()) return false;
    return this.#hasChanged;
  }

  get #hasChanged(): boolean {
    if (this.#removed.size > 0) return true;
    for (const { isSettledDirty } of this.#links.values()) if (isSettledDirty) return true;
    return this.#listed.some(({ isDirty }) => isDirty);
  }

  get owesFlush(): boolean {
    return this.#owesFlush;
  }

  /** Puts what has changed into the open batch. @returns the positions to store with it */
  put(positions: readonly RingPosition[]): readonly RingPosition[] {
    const now = this.#options.now();
    const recordedAt = this.#options.recordedAt();
    for (const consumer of this.#listed) {
      if (consumer.isDirty) consumer.put(this.#store, now, recordedAt);
    }
    this.#removedNow = [...this.#removed].filter((id) => !this.#store.remove(id));
    const all = [...positions];
    for (const { end, settled, isSettledDirty } of this.#links.values()) {
      if (!isSettledDirty) continue;
      all.push({ endpoint: end.endpoint, position: 0, firstSequence: 0, settled });
    }
    return all;
  }

  committed(): void {
    for (const consumer of this.#listed) if (consumer.isDirty) consumer.committed();
    for (const id of this.#removedNow) this.#removed.delete(id);
    this.#removedNow = [];
    for (const link of this.#links.values()) link.isSettledDirty = false;
    this.#owesFlush = false;
    this.#retryAt = 0;
  }

  /** The batch was refused: its events never were. What else was decided stands, and is stored by itself later. */
  refused(): void {
    this.#events.end();
    for (const { machine } of this.#listed) machine.undoAfter(this.#log.head);
  }

  /** There was no room even for the state alone. */
  postpone(): void {
    this.#retryAt = this.#options.now() + CONSUMER_FULL_RETRY_MS;
  }

  /** Tells what is committed, while the batch's records are at hand. */
  tell(): void {
    if (!this.#hasChanged) {
      for (const { machine } of this.#listed) machine.tell(this.#tellings);
      for (const link of this.#links.values()) if (link.mayTell) link.tell(this.#events);
    }
    this.#events.end();
  }

  /** Reads ahead for consumers that are behind; true if it did anything. */
  readAhead(): boolean {
    return this.#reader.step(this.#listed);
  }

  /** True if a turn would find work now. */
  get hasWork(): boolean {
    if (this.isDirty || this.nextDue <= this.#options.now()) return true;
    for (const link of this.#links.values()) if (link.mayTell && !this.#hasChanged) return true;
    return this.#listed.some((consumer) => LaneReader.isBehind(consumer, this.#log.head));
  }

  /** When the desk has to be called again, by `now`. */
  get nextDue(): number {
    let due = this.#claimsUntil;
    if (this.#retryAt > 0 && this.#hasChanged) due = Math.min(due, this.#retryAt);
    for (const { machine } of this.#listed) due = Math.min(due, machine.nextDue);
    return due;
  }

  #match(batch: PublishBatch): void {
    const { head } = this.#log;
    this.#events.begin(batch, head + 1);
    const current = new Set(this.#listed.filter((one) => one.position >= head && one.wantsMore));
    for (let i = 0; i < batch.length; i++) {
      const index = batch.sequences[i]! - 1;
      if (index < 0) continue;
      for (const consumer of this.#of(batch.topics[i]!)) {
        if (!current.has(consumer)) continue;
        const sequence = head + 1 + index;
        if (!consumer.wantsMore) {
          consumer.passed(sequence - 1);
          current.delete(consumer);
          continue;
        }
        const view = this.#view.wrap(batch.bytes[i]!, batch.offsets[i]!);
        if (consumer.matches(view)) consumer.read(sequence, view);
      }
    }
    for (const consumer of current) consumer.passed(head + batch.appended);
  }

  #make(entry: ConsumerEntry): void {
    const { before, now, recordedAt } = this.#options;
    const stored = this.#stored.get(entry.id);
    this.#stored.delete(entry.id);
    const start = { stored, before, now: now(), recordedAt: recordedAt() };
    const host = {
      examine: (of: DeskConsumer, sequence: number): Examined => this.#examine(of, sequence),
    };
    // After a loss of power the log may end before the position at which the consumer was made.
    const position = Math.min(entry.position, this.#log.head);
    const consumer = new DeskConsumer({ ...entry, position }, host, start);
    this.#consumers.set(entry.id, consumer);
    this.#route(consumer, true);
  }

  #route(consumer: DeskConsumer, isAdded: boolean): void {
    for (const pattern of consumer.entry.definition.filter.topics) {
      if (isAdded) this.#trie.add(pattern, consumer);
      else this.#trie.remove(pattern, consumer);
    }
  }

  #of(topic: string): readonly DeskConsumer[] {
    return this.#matches.get(topic);
  }

  #linkOf(end: ShardEnd): DeskLink {
    let link = this.#links.get(end);
    if (link === undefined) {
      link = new DeskLink(end, this.#options.settled.get(end.endpoint) ?? 0);
      this.#links.set(end, link);
    }
    return link;
  }

  #part(member: number): void {
    this.#members.get(member)?.link.members.delete(member);
    this.#members.delete(member);
  }

  #isDead(member: number, sequence: number): boolean {
    const id = this.#members.get(member)!.consumer.id;
    return this.#store.dead(id, sequence - 1, 1)[0]?.sequence === sequence;
  }

  #examine(consumer: DeskConsumer, sequence: number): Examined {
    if (sequence > this.#log.head) return 'there';
    if (this.#examined++ >= CONSUMER_READ_EVENTS_PER_TURN) return 'later';
    const found = this.#events.find(sequence);
    if (found === undefined) return 'gone';
    if (!consumer.hasOtherFilter) return 'there';
    const view = this.#view.wrap(found.bytes, found.offset);
    const isMatch = this.#of(view.topic).includes(consumer) && consumer.matches(view);
    return isMatch ? 'there' : 'unmatched';
  }

  readonly #tellings = {
    leased: (
      member: number,
      sequence: number,
      lease: number,
      attempt: number,
      deadline: number,
      isAlone: boolean,
    ): boolean => {
      const link = this.#members.get(member)?.link;
      link?.say({ is: 'lease', member, sequence, lease, attempt, deadline, isAlone });
      return true;
    },
    lost: (member: number, sequence: number, lease: number): boolean => {
      this.#members.get(member)?.link.say({ is: 'lost', member, sequence, lease });
      return true;
    },
    supply: (member: number, isReady: boolean): boolean => {
      const what = isReady ? SUPPLY_READY : SUPPLY_DRY;
      this.#members.get(member)?.link.say({ is: 'supply', member, what, count: 0 });
      return true;
    },
  };
}
