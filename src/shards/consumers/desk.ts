/**
 * The part of a shard's loop that serves durable consumers. In each turn it decides, together with the batch: it takes
 * settlements, matches the batch's events, ends what is due and leases. What it decided is stored in the batch's
 * transaction, and told only after the commit: so an attempt is counted before its event is handed out, and an ack that
 * is confirmed is stored. Only the shard's loop touches this.
 */
import { FailureMemory } from '../../consumers/failures.js';
import type { Before, Examined } from '../../consumers/machine-types.js';
import { bellsOf, keyWordsOf } from '../../link/consumer-gates.js';
import type { ConsumerEntry, ConsumerNews } from '../../link/consumer-shapes.js';
import { BusError } from '../../protocol/errors.js';
import {
  CONSUMER_FULL_RETRY_MS,
  CONSUMER_READ_EVENTS_PER_TURN,
  LEASES_PER_TURN,
} from '../../protocol/limits/consumers.js';
import { EventRecordView } from '../../record/event-record.js';
import type { ShardConsumers, StoredLane } from '../../store/consumer-states.js';
import type { RingPosition, ShardLog } from '../../store/shard-log.js';
import type { PublishBatch } from '../publish-batch.js';
import type { ShardEnd } from '../shard-end.js';
import { NewsDesk } from './calls/consumer-news.js';
import { DeadEntries } from './calls/dead-entries.js';
import { Looks } from './calls/looks.js';
import type { DeskView } from './calls/questions.js';
import { DeskConsumer } from './desk-consumer.js';
import type { SharedGates } from './gates/consumer-gates.js';
import { GateBell } from './gates/gate-bell.js';
import { KeyGates } from './gates/key-gates.js';
import { Claims, type ClaimsStart } from './members/claims.js';
import { DeskMembers } from './members/desk-members.js';
import { GroupAcks } from './members/group-acks.js';
import { Settling } from './members/settling.js';
import { EventFinder } from './reading/event-finder.js';
import { LaneReader } from './reading/lane-reader.js';
import { Roster } from './roster.js';

export interface DeskOptions {
  readonly log: ShardLog;
  readonly store: ShardConsumers;
  readonly before: Before;
  readonly claims: ClaimsStart;
  /** Where the shards of the bus agree, and which of them this is. */
  readonly gates: {
    readonly memory: SharedArrayBuffer;
    readonly shard: number;
    /** Wakes the thread of another shard. */
    readonly wake: (shard: number) => void;
  };
  /** For each endpoint the number of its last settlement that a dead thread has stored. */
  readonly settled: ReadonlyMap<string, number>;
  /** Monotonic ms that all threads share, and recorded time. */
  readonly now: () => number;
  readonly recordedAt: () => number;
  /** The time by which events expire, ms since 1970. */
  readonly expiryNow: () => number;
  readonly onDamage: (error: BusError) => void;
  readonly onNews: (news: readonly ConsumerNews[]) => void;
  /** It knows which leases of before go on. */
  readonly onClaimed: () => void;
}

export function consumerUnknown(id: string): BusError {
  return new BusError('CONSUMER_UNKNOWN', `there is no consumer ${id}`, { details: { id } });
}

export class Desk implements DeskView {
  readonly log: ShardLog;
  readonly store: ShardConsumers;
  readonly now: () => number;
  readonly recordedAt: () => number;
  readonly roster: Roster;
  readonly members: DeskMembers;
  readonly claims: Claims;
  readonly settling: Settling;
  readonly groupAcks: GroupAcks;
  readonly events: EventFinder;
  readonly entries: DeadEntries;
  readonly #looks = new Looks();
  readonly onDamage: (error: BusError) => void;
  readonly #options: DeskOptions;
  readonly #gates: SharedGates;
  readonly #failures = new FailureMemory();
  readonly #news: NewsDesk;
  readonly #reader: LaneReader;
  readonly #view = new EventRecordView();
  /** The rows of consumers that were not made yet. */
  readonly #stored = new Map<string, StoredLane[]>();
  /** Ids of consumers that are gone and whose rows are not. */
  readonly #removed = new Set<string>();
  /** Those of which the open batch removes the last rows. */
  #removedNow: string[] = [];
  /** The store had no room for what was decided: nothing is told until it has. */
  #retryAt = 0;
  /** Events of the log that were examined in this turn. */
  #examined = 0;
  /** Called once what is decided now is stored. */
  #whenStored: (() => void)[] = [];

  /** @throws BusError `STORE_CORRUPT` */
  constructor(options: DeskOptions) {
    const { log, store, before, now, recordedAt, expiryNow, onDamage } = options;
    this.#options = options;
    this.log = log;
    this.store = store;
    this.now = now;
    this.onDamage = onDamage;
    this.recordedAt = recordedAt;
    for (const lane of store.load()) {
      this.#stored.set(lane.consumer, [...(this.#stored.get(lane.consumer) ?? []), lane]);
    }
    const { memory, shard, wake } = options.gates;
    const bell = new GateBell(bellsOf(memory), shard, wake);
    this.#gates = { memory, shard, keys: new KeyGates(keyWordsOf(memory), shard, bell.ring), bell };
    this.claims = new Claims(options.claims, before === 'replaced');
    this.events = new EventFinder(log, store, onDamage);
    this.entries = new DeadEntries(store, this.events);
    this.members = new DeskMembers(options.settled, store.holders);
    this.settling = new Settling(this.members, this.events, now);
    this.groupAcks = new GroupAcks(this.members, this.claims, now);
    this.#news = new NewsDesk(this, this.entries, options.onNews);
    this.roster = new Roster({
      make: (entry) => this.#make(entry),
      gone: (consumer) => this.#gone(consumer),
      get prunedEvents() {
        return log.prunedEvents;
      },
    });
    const { roster } = this;
    this.#reader = new LaneReader(log, this.events, (topic) => roster.matching(topic), {
      expiryNow,
      onDamage,
    });
  }

  /** Takes the list of all consumers. @throws BusError `CONSUMER_BUSY`, `STORE_CORRUPT` */
  apply(entries: readonly ConsumerEntry[]): void {
    this.roster.apply(entries);
    for (const id of this.#stored.keys()) this.#removed.add(id);
    this.#stored.clear();
  }

  /** @throws BusError `CONSUMER_UNKNOWN` */
  consumer(id: string): DeskConsumer {
    const consumer = this.roster.byId.get(id);
    if (consumer === undefined) throw consumerUnknown(id);
    return consumer;
  }

  /** True if it has no consumer, and nothing is left of former ones. */
  get isEmpty(): boolean {
    return this.roster.listed.length === 0 && this.#removed.size === 0;
  }

  /** The first sequence that a consumer of this name may still read; undefined: there is no such consumer. */
  neededFrom(name: string): number | undefined {
    const consumer = this.roster.listed.find(({ entry }) => entry.name === name);
    return consumer && consumer.floorStored + 1;
  }

  /** The link's endpoint has left, or died. */
  leaveLink(end: ShardEnd): void {
    this.claims.departed(end);
    this.groupAcks.release();
    this.#looks.leave(end);
    this.members.leaveLink(end, this.now());
  }

  /** Calls back once all that was decided until now is stored. */
  whenStored(done: () => void): void {
    this.#whenStored.push(done);
  }

  /** Calls back once the desk has looked for events for a member, and has told it what there is. */
  whenLooked(end: ShardEnd, number: number, done: () => void): void {
    const member = this.members.find(end, number);
    // Its endpoint has heard, or will hear, what became of it.
    if (member === undefined) done();
    else this.#looks.add(member, this.log.head, done);
  }

  /** Matches the batch's events, which are appended and not committed, ends what is due, and leases. */
  decide(batch: PublishBatch): void {
    const now = this.now();
    if (this.#gates.bell.hear()) this.#takeHanded(now);
    if (batch.appended > 0) this.#match(batch);
    const isComplete = this.claims.end(now);
    if (isComplete !== undefined) this.#endClaims(isComplete, now);
    this.groupAcks.release();
    if (this.roster.listed.every(({ knowsKeys }) => knowsKeys)) this.#gates.keys.restored();
    this.#gates.keys.forget(now);
    this.#examined = 0;
    let left = LEASES_PER_TURN;
    for (const consumer of this.roster.listed) {
      if (consumer.machine.nextDue <= now) consumer.machine.expire(now);
      left -= consumer.lease(left, now);
    }
    this.#looks.decided(left <= 0 || this.#examined >= CONSUMER_READ_EVENTS_PER_TURN);
    // Events that were only read are no change of a row, and may be blocked.
    if (batch.appended > 0 || this.#hasChanged) this.#news.touch(now);
  }

  #takeHanded(now: number): void {
    for (const word of this.#gates.keys.handed(now)) {
      for (const consumer of this.roster.listed) consumer.handed(word);
    }
  }

  /** Whether there is something to commit now. */
  get isDirty(): boolean {
    if (this.groupAcks.hasAny) return true;
    if (this.#retryAt > this.now()) return false;
    return this.#hasChanged;
  }

  /** The disk had no room for what was decided. */
  get isFull(): boolean {
    return this.#retryAt > 0;
  }

  get #hasChanged(): boolean {
    if (this.#removed.size > 0) return true;
    for (const { isSettledDirty } of this.members.links) if (isSettledDirty) return true;
    return this.roster.listed.some(({ isDirty }) => isDirty);
  }

  get owesFlush(): boolean {
    return this.settling.owesFlush || this.groupAcks.owesFlush;
  }

  /** Puts what has changed into the open batch. @returns the positions to store with it */
  put(positions: readonly RingPosition[]): readonly RingPosition[] {
    const now = this.now();
    const recordedAt = this.recordedAt();
    for (const consumer of this.roster.listed) {
      if (consumer.isDirty) consumer.put(this.store, now, recordedAt);
    }
    this.#removedNow = [...this.#removed].filter((id) => !this.store.remove(id));
    const all = [...positions];
    for (const { end, settled, isSettledDirty } of this.members.links) {
      if (!isSettledDirty) continue;
      all.push({ endpoint: end.endpoint, position: 0, firstSequence: 0, settled });
    }
    return all;
  }

  committed(): void {
    for (const consumer of this.roster.listed) if (consumer.isDirty) consumer.committed();
    for (const id of this.#removedNow) this.#removed.delete(id);
    this.#removedNow = [];
    for (const link of this.members.links) link.isSettledDirty = false;
    this.settling.owesFlush = false;
    this.groupAcks.committed();
    this.#retryAt = 0;
  }

  /** The batch was refused: its events never were. What else was decided stands, and is stored by itself later. */
  refused(): void {
    this.events.end();
    this.#forgetRecords();
    this.groupAcks.refused();
    for (const { machine } of this.roster.listed) machine.undoAfter(this.log.head);
  }

  /** There was no room even for the state alone. */
  postpone(): void {
    const now = this.now();
    this.#retryAt = now + CONSUMER_FULL_RETRY_MS;
    this.#news.touch(now);
  }

  /** Tells what is committed, while the batch's records are at hand. */
  tell(): void {
    if (!this.#hasChanged) {
      this.#gates.keys.stored();
      for (const consumer of this.roster.listed) {
        consumer.stored();
        consumer.machine.tell(this.members.tellings);
      }
      for (const link of this.members.links) if (link.mayTell) link.tell(this.events);
      for (const done of this.#whenStored.splice(0)) done();
      this.#looks.answer((consumer) => this.roster.byId.get(consumer.id) === consumer);
    }
    this.events.end();
    this.groupAcks.end();
    this.#news.step(this.roster.listed, this.now());
  }

  /** Reads ahead for consumers that are behind; true if it did anything. */
  readAhead(): boolean {
    const hasRead = this.#reader.step(this.roster.listed);
    if (hasRead) this.#news.touch(this.now());
    return hasRead;
  }

  /** Retention has removed events: those that were open are lost. */
  pruned(): void {
    const { prunedThrough } = this.log;
    this.#forgetRecords();
    let first: number | undefined;
    for (const consumer of this.roster.listed) {
      if (consumer.floor >= prunedThrough) continue;
      first ??= this.#firstSequence();
      consumer.pruned(first);
    }
  }

  #forgetRecords(): void {
    this.events.forget();
    for (const { backlog } of this.roster.listed) backlog.clear();
  }

  /**
   * Ends events that have expired; one that is leased stays its holder's, and is done when the lease ends in any way.
   * @returns whether that has changed anything that is not stored yet
   */
  expired(sequences: readonly number[]): boolean {
    let hasChanged = false;
    for (const { machine } of this.roster.listed) {
      for (const sequence of sequences) hasChanged = machine.expired(sequence) || hasChanged;
    }
    return hasChanged;
  }

  /** True if a turn would find work now. */
  get hasWork(): boolean {
    if (this.isDirty || this.#gates.bell.hasRung || this.nextDue <= this.now()) return true;
    if (this.#looks.hasWork) return true;
    for (const link of this.members.links) if (link.mayTell && !this.#hasChanged) return true;
    return this.roster.listed.some((consumer) => LaneReader.isBehind(consumer, this.log.head));
  }

  /** When the desk has to be called again, by `now`. */
  get nextDue(): number {
    let due = Math.min(this.claims.until, this.#news.nextDue, this.#gates.keys.nextDue);
    if (this.#retryAt > 0 && this.#hasChanged) due = Math.min(due, this.#retryAt);
    for (const { nextDue } of this.roster.listed) due = Math.min(due, nextDue);
    return due;
  }

  #match(batch: PublishBatch): void {
    const { head } = this.log;
    this.events.begin(batch, head + 1);
    let takes = false;
    for (const consumer of this.roster.listed) takes = consumer.beginBatch(head) || takes;
    if (!takes) return;
    for (let i = 0; i < batch.length; i++) {
      const index = batch.sequences[i]! - 1;
      if (index < 0) continue;
      for (const consumer of this.roster.matching(batch.topics[i]!)) {
        const sequence = head + 1 + index;
        const view = this.#view.wrap(batch.bytes[i]!, batch.offsets[i]!);
        if (view.hasExpiry && view.isExpired(this.#options.expiryNow())) continue;
        const waits = consumer.see(sequence, view);
        if (waits) this.events.keep(sequence, view.bytes, view.offset, view.length);
      }
    }
    for (const consumer of this.roster.listed) consumer.endBatch(head + batch.appended);
  }

  #make(entry: ConsumerEntry): DeskConsumer {
    const { before } = this.#options;
    const { prunedEvents } = this.log;
    const stored = this.#stored.get(entry.id) ?? [];
    this.#stored.delete(entry.id);
    const now = this.now();
    const start = { stored, before, now, recordedAt: this.recordedAt(), prunedEvents };
    const host = {
      store: this.store,
      gates: this.#gates,
      events: this.events,
      failures: this.#failures,
      examine: (of: DeskConsumer, sequence: number): Examined => this.#examine(of, sequence),
    };
    // After a loss of power the log may end before the position at which the consumer was made.
    const position = Math.min(entry.position, this.log.head);
    const consumer = new DeskConsumer({ ...entry, position }, host, start);
    if (this.claims.isOver) consumer.machine.endClaims(false, now);
    return consumer;
  }

  #gone(consumer: DeskConsumer): void {
    this.members.forget(consumer);
    this.#removed.add(consumer.id);
  }

  #endClaims(isComplete: boolean, now: number): void {
    for (const { machine } of this.roster.listed) machine.endClaims(isComplete, now);
    for (const endpoint of [...this.claims.missing]) this.store.holders?.remove(endpoint);
    this.#options.onClaimed();
  }

  #examine(consumer: DeskConsumer, sequence: number): Examined {
    if (sequence > this.log.head) return 'there';
    if (this.events.kept(sequence) !== undefined) {
      if (!consumer.hasOtherFilter) return 'there';
    } else if (this.#examined++ >= CONSUMER_READ_EVENTS_PER_TURN) return 'later';
    const found = this.events.find(sequence, consumer.id);
    if (found === undefined) return 'gone';
    const view = this.#view.wrap(found.bytes, found.offset);
    if (view.hasExpiry && view.isExpired(this.#options.expiryNow())) return 'expired';
    if (!consumer.hasOtherFilter) return 'there';
    const isOfTopic = this.roster.matching(view.topic).includes(consumer);
    if (isOfTopic && consumer.matches(view)) return 'there';
    consumer.dead.over(sequence);
    return 'unmatched';
  }

  #firstSequence(): number {
    let first = this.log.head + 1;
    this.log.read({ after: 0, limit: 1 }, ({ sequence }) => {
      first = sequence;
      return false;
    });
    return first;
  }
}
