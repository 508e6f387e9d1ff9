/**
 * One durable consumer in a shard: its machine, and what stands around the machine: the filter, the row that is stored,
 * the events that died. One lane. Only the shard's loop touches this.
 */
import { ConsumerMachine } from '../../consumers/machine.js';
import type { Before, Examined, MachineDefinition } from '../../consumers/machine-types.js';
import type { ConsumerEntry } from '../../link/consumer-shapes.js';
import type { ConsumerDefinition, DeadCause } from '../../protocol/consumers.js';
import { compilePredicate, type EventPredicate } from '../../protocol/filter.js';
import type { EventRecordView } from '../../record/event-record.js';
import {
  LETTER_DUE,
  NO_LETTER_WANTED,
  type ShardConsumers,
  type StoredLane,
} from '../../store/consumer-states.js';
import { type KeyOf, keyOf } from './event-key.js';

const LANE = 0;

interface Death {
  readonly sequence: number;
  readonly attempts: number;
  readonly cause: DeadCause;
  readonly reason: string;
}

export interface ConsumerHost {
  /** Whether the log has the event, and the filter, if it has changed, still matches it. */
  examine(consumer: DeskConsumer, sequence: number): Examined;
}

export interface ConsumerStart {
  readonly stored: StoredLane | undefined;
  readonly before: Before;
  /** Monotonic, and recorded time, ms. */
  readonly now: number;
  readonly recordedAt: number;
}

export class DeskConsumer {
  readonly id: string;
  entry: ConsumerEntry;
  predicate: EventPredicate | undefined;
  /** The filter has changed, so an event that was read before may not match any more. */
  hasOtherFilter = false;
  /** A damaged event stands in its way. */
  isStuck = false;
  readonly machine: ConsumerMachine;
  #keyOf: KeyOf;
  #isNew: boolean;
  #deaths: Death[] = [];

  /** @throws BusError `STORE_CORRUPT` */
  constructor(entry: ConsumerEntry, host: ConsumerHost, start: ConsumerStart) {
    const { stored, before, now, recordedAt } = start;
    this.id = entry.id;
    this.entry = entry;
    this.predicate = compilePredicate(entry.definition.filter);
    this.#keyOf = keyOf(entry.definition.order);
    const isOfRound = stored !== undefined && stored.round === entry.round;
    this.#isNew = !isOfRound;
    const begun = { acked: 0, redelivered: 0, lost: 0, open: new Uint8Array(0), ...stored };
    const { acked, redelivered, lost, leaseNext = 1, at = recordedAt } = begun;
    const counts = { acked, redelivered, lost, leaseNext };
    const lane = isOfRound
      ? { ...counts, position: stored.position, open: stored.open }
      : { ...counts, position: entry.position, open: new Uint8Array(0) };
    const ageMs = Math.max(0, recordedAt - at);
    const decisions = {
      examine: (_lane: number, sequence: number) => host.examine(this, sequence),
      dead: (
        _lane: number,
        sequence: number,
        attempts: number,
        cause: DeadCause,
        reason: string,
      ) => {
        this.#deaths.push({ sequence, attempts, cause, reason });
      },
    };
    const definition = machineDefinition(entry.definition);
    this.machine = new ConsumerMachine(definition, decisions, [{ ...lane, ageMs }], before, now);
    this.machine.pause(entry.isPaused);
  }

  get position(): number {
    return this.machine.lane(LANE).position;
  }

  get wantsMore(): boolean {
    return !this.isStuck && this.machine.wantsMore(LANE);
  }

  get isDirty(): boolean {
    return this.#isNew || this.#deaths.length > 0 || this.machine.isDirty(LANE);
  }

  /** Takes over a changed entry of the same consumer. */
  change(entry: ConsumerEntry): void {
    const { round, definition } = this.entry;
    this.entry = entry;
    if (entry.round !== round) {
      this.machine.seek([entry.position]);
      this.#isNew = true;
      this.isStuck = false;
    }
    if (JSON.stringify(definition) !== JSON.stringify(entry.definition)) {
      this.hasOtherFilter = true;
      this.predicate = compilePredicate(entry.definition.filter);
      this.#keyOf = keyOf(entry.definition.order);
      this.machine.redefine(machineDefinition(entry.definition));
    }
    this.machine.pause(entry.isPaused);
  }

  matches(view: EventRecordView): boolean {
    return this.predicate === undefined || this.predicate(view);
  }

  /** An event that matches, beyond the position or to be read again. */
  read(sequence: number, view: EventRecordView): void {
    this.machine.read(LANE, sequence, this.#keyOf(view));
  }

  passed(through: number): void {
    this.machine.passed(LANE, through);
  }

  get nextUnread(): number {
    return this.machine.nextUnread(LANE);
  }

  /** Leases what it may; `limit` is the shard's, beside the consumer's own. */
  lease(limit: number, now: number): number {
    const left = this.entry.definition.maxInFlight - this.machine.counts.leased;
    return left <= 0 ? 0 : this.machine.lease(Math.min(limit, left), now);
  }

  /** Puts what has changed into the open batch. */
  put(store: ShardConsumers, now: number, recordedAt: number): void {
    const { acked, redelivered, lost, position } = this.machine.lane(LANE);
    const open = this.machine.store(LANE, now);
    const { round } = this.entry;
    const counts = { acked, redelivered, lost, leaseNext: this.machine.leaseNext };
    store.put({ consumer: this.id, lane: LANE, round, position, at: recordedAt, open, ...counts });
    for (const death of this.#deaths) this.#putDead(store, death, recordedAt);
  }

  committed(): void {
    this.machine.committed(LANE);
    this.#isNew = false;
    this.#deaths = [];
  }

  #putDead(store: ShardConsumers, death: Death, diedAt: number): void {
    const { sequence } = death;
    const before = store.dead(this.id, sequence - 1, 1)[0];
    const times = before?.sequence === sequence ? before.times + 1 : 1;
    const wantsLetter = this.entry.definition.deadLetter !== undefined;
    const state = wantsLetter ? LETTER_DUE : NO_LETTER_WANTED;
    store.putDead({ consumer: this.id, diedAt, times, state, ...death });
  }
}

function machineDefinition(definition: ConsumerDefinition): MachineDefinition {
  const { order, leaseMs, maxAttempts, backoffMs, maxAhead } = definition;
  return { hasKeys: order !== 'none', lanes: 1, leaseMs, maxAttempts, backoffMs, maxAhead };
}
