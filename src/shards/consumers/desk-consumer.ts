/**
 * One durable consumer in a shard: its machine, and what stands around the machine: the filter, the lanes, the rows that
 * are stored, the events that died. Only the shard's loop touches this.
 */
import type { FailureMemory } from '../../consumers/failures.js';
import { ConsumerMachine } from '../../consumers/machine.js';
import type { Before, Examined } from '../../consumers/machine-types.js';
import type { ConsumerEntry } from '../../link/consumer-shapes.js';
import type { ConsumerDefinition, DeadCause } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { compilePredicate, type EventPredicate } from '../../protocol/filter.js';
import type { EventRecordView } from '../../record/event-record.js';
import type { ShardConsumers, StoredLane } from '../../store/consumer-states.js';
import { laneOf, lanesOf, machineDefinition, restoredLanes } from './consumer-lanes.js';
import { ConsumerTidings } from './consumer-tidings.js';
import { DeadChanges } from './dead-changes.js';
import { ConsumerGates, type SharedGates } from './gates/consumer-gates.js';
import { Backlog } from './reading/backlog.js';
import type { EventFinder } from './reading/event-finder.js';
import { type KeyOf, keyOf } from './reading/event-key.js';
import type { PrunedScan } from './reading/pruned-scan.js';

export interface ConsumerHost {
  readonly store: ShardConsumers;
  readonly gates: SharedGates;
  readonly events: EventFinder;
  readonly failures: FailureMemory;
  /** Whether the log has the event, and the filter, if it has changed, still matches it. */
  examine(consumer: DeskConsumer, sequence: number): Examined;
}

export interface ConsumerStart {
  readonly stored: readonly StoredLane[];
  readonly before: Before;
  /** Monotonic, and recorded time, ms. */
  readonly now: number;
  readonly recordedAt: number;
  readonly prunedEvents: number;
}

export class DeskConsumer {
  readonly id: string;
  entry: ConsumerEntry;
  predicate: EventPredicate | undefined;
  /** The filter has changed, so an event that was read before may not match any more. */
  hasOtherFilter = false;
  /** A damaged event stands in its way. */
  isStuck = false;
  /** It has come to a hole in the log, and learns whether that held events of its topics. */
  prunedScan: PrunedScan | undefined;
  /** `ShardLog.prunedEvents` as of the last hole that it knows all about. */
  prunedSeen = -1;
  /** The lane that was read last. */
  readLane = 0;
  readonly machine: ConsumerMachine;
  readonly dead: DeadChanges;
  /** Of a consumer with one lane. */
  readonly backlog: Backlog;
  readonly tidings = new ConsumerTidings();
  /** Set when the machine is made, which tells of nothing before. */
  #gates!: ConsumerGates;
  /** When it looks again for a place of `maxInFlight`, monotonic ms. */
  #looksAt = Number.POSITIVE_INFINITY;
  #keyOf: KeyOf;
  #isNew: boolean;
  #lanes: number;
  /** More rows than that may be stored. */
  #hasStaleRows: boolean;
  /** The lanes that get the events of the batch, as bits. */
  #current = 0;
  #floorStored = 0;
  #now = 0;
  /** The last sequence of the holes that were counted. */
  #holesThrough = 0;

  /** @throws BusError `STORE_CORRUPT` */
  constructor(entry: ConsumerEntry, host: ConsumerHost, start: ConsumerStart) {
    const { stored, before, now, recordedAt, prunedEvents } = start;
    const { definition } = entry;
    this.id = entry.id;
    this.entry = entry;
    this.predicate = compilePredicate(definition.filter);
    this.dead = new DeadChanges(entry.id, host.store);
    this.backlog = new Backlog(host.events);
    this.#keyOf = keyOf(definition.order);
    this.#lanes = lanesOf(definition);
    this.#hasStaleRows = stored.some(({ lane }) => lane >= this.#lanes);
    const { lanes, isNew } = restoredLanes(entry, stored, recordedAt);
    this.#isNew = isNew;
    const decisions = {
      examine: (_lane: number, sequence: number, key: string | undefined) => {
        const examined = host.examine(this, sequence);
        if (examined !== 'there') return examined;
        return this.#gates.take(key, sequence, this.#now) ? 'there' : 'taken';
      },
      keyKept: (key: string) => this.#gates.keep(key),
      keyFreed: (key: string) => this.#gates.free(key),
      dead: (
        _lane: number,
        sequence: number,
        attempts: number,
        cause: DeadCause,
        reason: string,
      ) => {
        this.dead.died({ sequence, attempts, cause, reason });
      },
      expired: (_lane: number, sequence: number) => this.dead.over(sequence),
      gone: (_lane: number, sequence: number) => {
        this.dead.over(sequence);
        this.tidings.gap(sequence, sequence);
      },
    };
    this.machine = new ConsumerMachine(
      machineDefinition(definition),
      decisions,
      lanes,
      before,
      now,
      host.failures,
    );
    this.machine.pause(entry.isPaused);
    this.#gates = new ConsumerGates(entry, host.gates, this.machine.counts.leased);
    this.#floorStored = this.floor;
    if (isNew) this.prunedSeen = seenAtStart(entry, prunedEvents);
  }

  /** Of the lane that has come least far. */
  get position(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let lane = 0; lane < this.#lanes; lane++) {
      least = Math.min(least, this.machine.lane(lane).position);
    }
    return least;
  }

  /** Everything up to here is done, dead or none of its events; redriven ones may be open. */
  get floor(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let lane = 0; lane < this.#lanes; lane++) {
      least = Math.min(least, this.machine.lane(lane).floor);
    }
    return least;
  }

  /** The floor as far as it is stored: a restart needs no event before it. */
  get floorStored(): number {
    return this.isDirty ? this.#floorStored : this.floor;
  }

  get lanes(): number {
    return this.#lanes;
  }

  get isDirty(): boolean {
    if (this.#isNew || this.dead.hasAny) return true;
    for (let lane = 0; lane < this.#lanes; lane++) if (this.machine.isDirty(lane)) return true;
    return false;
  }

  laneOf(topic: string): number {
    return laneOf(this.entry.definition, topic);
  }

  /** Whether an event of the consumer is open, or comes when its lane is read on. */
  isToDo(sequence: number, topic: string): boolean {
    const { machine } = this;
    return sequence > machine.lane(this.laneOf(topic)).position || machine.isOpen(sequence);
  }

  keyOf(view: EventRecordView): string | undefined {
    return this.#keyOf(view);
  }

  /** Whether it takes events of the lane beyond its position. */
  wantsMore(lane: number): boolean {
    return !this.isStuck && this.machine.wantsMore(lane);
  }

  /** The error that a change of this kind meets now. */
  refusal(entry: ConsumerEntry): BusError | undefined {
    const { round, definition, name } = this.entry;
    if (entry.round !== round || !isReordered(definition, entry.definition)) return undefined;
    if (this.machine.canReorder) return undefined;
    const message = `consumer ${name} has open events, and keeps its order and its priority until they are done`;
    return new BusError('CONSUMER_BUSY', message, { details: { consumer: name } });
  }

  /** Takes over a changed entry of the same consumer, which `refusal` does not refuse. */
  change(entry: ConsumerEntry, prunedEvents: number): void {
    const { round, definition } = this.entry;
    this.entry = entry;
    if (entry.round !== round) {
      this.#seek(entry.position);
      this.prunedSeen = seenAtStart(entry, prunedEvents);
    }
    if (JSON.stringify(definition) !== JSON.stringify(entry.definition)) {
      const { filter } = entry.definition;
      this.hasOtherFilter ||= JSON.stringify(definition.filter) !== JSON.stringify(filter);
      this.predicate = compilePredicate(entry.definition.filter);
      this.backlog.clear();
      this.#keyOf = keyOf(entry.definition.order);
      const lanes = lanesOf(entry.definition);
      this.machine.redefine(machineDefinition(entry.definition));
      if (lanes !== this.#lanes) {
        this.#hasStaleRows ||= lanes < this.#lanes;
        this.#isNew = true;
        this.#lanes = lanes;
      }
    }
    this.#gates.change(entry);
    this.machine.pause(entry.isPaused);
  }

  /** It is not in the list any more: all its leases are lost. */
  end(): void {
    this.machine.seek(new Array<number>(this.#lanes).fill(0));
    this.#gates.inFlight.end();
    this.backlog.clear();
  }

  #seek(position: number): void {
    this.dead.forgetRedriven();
    this.machine.seek(new Array<number>(this.#lanes).fill(position));
    this.backlog.clear();
    this.prunedScan = undefined;
    this.#holesThrough = 0;
    this.#isNew = true;
    this.isStuck = false;
  }

  // Matching. The events of a batch go to the lanes that have come to the head of the log.

  /** Returns false if no lane gets the batch's events. */
  beginBatch(head: number): boolean {
    this.#current = 0;
    for (let lane = 0; lane < this.#lanes; lane++) {
      if (this.machine.lane(lane).position >= head && this.wantsMore(lane)) {
        this.#current |= 1 << lane;
      }
    }
    if (this.#current !== 0 || this.#lanes > 1 || this.isStuck) this.backlog.close();
    else this.backlog.begin(head);
    return this.#current !== 0 || this.backlog.isOpen;
  }

  /** An event of the batch whose topic matches. Returns whether it is open now, and more events are than tokens. */
  see(sequence: number, view: EventRecordView): boolean {
    const lane = this.#lanes === 1 ? 0 : this.laneOf(view.topic);
    const bit = 1 << lane;
    if ((this.#current & bit) !== 0 && !this.wantsMore(lane)) {
      this.machine.passed(lane, sequence - 1);
      this.#current ^= bit;
      if (this.#lanes === 1) this.backlog.begin(sequence - 1);
    }
    const isCurrent = (this.#current & bit) !== 0;
    if (!(isCurrent || this.backlog.isOpen) || !this.matches(view)) return false;
    if (!isCurrent) {
      this.backlog.add(sequence, view);
      return false;
    }
    this.machine.read(lane, sequence, this.#keyOf(view));
    return this.machine.hasWaiting;
  }

  endBatch(through: number): void {
    for (let lane = 0; lane < this.#lanes; lane++) {
      if ((this.#current & (1 << lane)) !== 0) this.machine.passed(lane, through);
    }
    this.#current = 0;
    this.backlog.end(through);
  }

  matches(view: EventRecordView): boolean {
    return this.predicate === undefined || this.predicate(view);
  }

  /**
   * The log has lost all events behind a sequence and up to another; those up to `through` may have been the consumer's.
   * These lanes, as bits, go on behind the hole.
   */
  passHole(lanes: number, after: number, through: number, until: number): void {
    const from = Math.max(after, this.#holesThrough) + 1;
    let first = true;
    for (let lane = 0; lane < this.#lanes; lane++) {
      if ((lanes & (1 << lane)) === 0) continue;
      this.machine.missed(lane, until, first ? Math.max(0, through - from + 1) : 0);
      first = false;
    }
    if (through < from) return;
    this.#holesThrough = through;
    this.tidings.gap(from, through);
  }

  /** The log has no event before this one. Redriven events whose records are kept stay. */
  pruned(first: number): void {
    for (const { sequence } of this.machine.list(0, Number.POSITIVE_INFINITY)) {
      if (sequence >= first) return;
      if (this.dead.stateOf(sequence) === undefined) this.machine.pruned(sequence, sequence);
    }
  }

  // Leasing.

  /** All shards together lease as many events as they may. */
  get isAtMaxInFlight(): boolean {
    return this.#gates.inFlight.isWaiting;
  }

  /** When it has to look again for what other shards have, or the machine for what is due. */
  get nextDue(): number {
    return Math.min(this.#looksAt, this.machine.nextDue);
  }

  /** Leases what it may; `limit` is the shard's, beside the consumer's own. */
  lease(limit: number, now: number): number {
    const { machine } = this;
    const { inFlight } = this.#gates;
    this.#now = now;
    const wanted = Math.min(limit, machine.leasable);
    const { leased } = machine.counts;
    const room = inFlight.room(wanted, leased, this.entry.definition.maxInFlight, now);
    this.#looksAt = inFlight.looksAt(now);
    return room === 0 ? 0 : machine.lease(room, now);
  }

  /** This shard was handed the word of keys: the events that wait for it are ready. */
  handed(word: number): void {
    for (const sequence of this.#gates.handed(word)) this.machine.retry(sequence);
  }

  /** What was decided until now is stored: what has ended makes room in other shards. */
  stored(): void {
    this.#gates.inFlight.stored(this.machine.counts.leased);
  }

  /** Whether the keys of all leases of before are known. */
  get knowsKeys(): boolean {
    return this.isStuck || this.machine.nextUnread(0) === 0;
  }

  // Storing.

  /** Puts what has changed into the open batch. */
  put(store: ShardConsumers, now: number, recordedAt: number): void {
    const { id: consumer, machine } = this;
    const { round, definition } = this.entry;
    const { leaseNext } = machine;
    for (let lane = 0; lane < this.#lanes; lane++) {
      if (!this.#isNew && !machine.isDirty(lane)) continue;
      const open = machine.store(lane, now);
      const { storedAcked: acked, redelivered, lost, rowPosition: position } = machine.lane(lane);
      const counts = { acked, redelivered, lost, leaseNext };
      store.put({ consumer, lane, round, position, at: recordedAt, open, ...counts });
    }
    if (this.#hasStaleRows) store.removeLanes(consumer, this.#lanes);
    this.dead.put(definition.deadLetter !== undefined, recordedAt);
  }

  committed(): void {
    const { machine } = this;
    for (let lane = 0; lane < this.#lanes; lane++) {
      if (this.#isNew || machine.isDirty(lane)) machine.committed(lane);
    }
    this.#isNew = false;
    this.#hasStaleRows = false;
    for (const sequence of this.dead.committed()) this.tidings.died(sequence);
    this.#floorStored = this.floor;
  }
}

function isReordered(one: ConsumerDefinition, other: ConsumerDefinition): boolean {
  return one.order !== other.order || one.priority.join('\n') !== other.priority.join('\n');
}

/** What was gone before the round began is nothing that the consumer has lost, unless a cursor promised it. */
function seenAtStart({ isFromCursor }: ConsumerEntry, prunedEvents: number): number {
  return isFromCursor === true ? -1 : prunedEvents;
}
