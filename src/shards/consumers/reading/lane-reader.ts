/**
 * Reads ahead from the log for consumers that are behind its head, between the shard's batches and within a budget.
 * Only the shard's loop touches this.
 */
import { BusError } from '../../../protocol/errors.js';
import { CONSUMER_READ_EVENTS_PER_TURN } from '../../../protocol/limits/consumers.js';
import { CATCH_UP_BYTES_PER_STEP, GAP_TOPICS_PER_STEP } from '../../../protocol/limits/shards.js';
import { EventRecordView } from '../../../record/event-record.js';
import type { ShardLog } from '../../../store/shard-log.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { EventFinder } from './event-finder.js';
import { PrunedScan } from './pruned-scan.js';

/** The consumers whose patterns match a topic. */
export type ConsumersOf = (topic: string) => readonly DeskConsumer[];

export interface LaneReaderOptions {
  /** The time by which events expire, ms since 1970. */
  readonly expiryNow: () => number;
  readonly onDamage: (error: BusError) => void;
}

/** Order `none` has no events to read again, and other orders have one lane. */
const KEYED_LANE = 0;
/** Of a consumer that has a backlog. */
const ONLY_LANE = 0;

export class LaneReader {
  readonly #log: ShardLog;
  readonly #events: EventFinder;
  readonly #consumersOf: ConsumersOf;
  readonly #options: LaneReaderOptions;
  readonly #view = new EventRecordView();
  #first = 0;

  constructor(
    log: ShardLog,
    events: EventFinder,
    consumersOf: ConsumersOf,
    options: LaneReaderOptions,
  ) {
    this.#log = log;
    this.#events = events;
    this.#consumersOf = consumersOf;
    this.#options = options;
  }

  /** True if the consumer has events to read. */
  static isBehind(consumer: DeskConsumer, head: number): boolean {
    if (consumer.isStuck) return false;
    if (consumer.machine.nextUnread(KEYED_LANE) > 0) return true;
    for (let lane = 0; lane < consumer.lanes; lane++) {
      if (isLaneBehind(consumer, lane, head)) return true;
    }
    return false;
  }

  /** Reads for those that are behind, each turn beginning with another one; true if it read anything. */
  step(consumers: readonly DeskConsumer[]): boolean {
    let budget = CONSUMER_READ_EVENTS_PER_TURN;
    const first = this.#first++;
    for (let i = 0; i < consumers.length && budget > 0; i++) {
      const consumer = consumers[(first + i) % consumers.length]!;
      if (!LaneReader.isBehind(consumer, this.#log.head)) continue;
      budget -= this.#orStop(consumer, () => this.#read(consumer, budget));
    }
    return budget < CONSUMER_READ_EVENTS_PER_TURN;
  }

  /** A damaged event stops the consumer that reads it, and nobody else. */
  #orStop(consumer: DeskConsumer, read: () => number): number {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
      consumer.isStuck = true;
      this.#options.onDamage(error);
      return 1;
    }
  }

  #read(consumer: DeskConsumer, budget: number): number {
    if (consumer.prunedScan !== undefined) return this.#scan(consumer, consumer.prunedScan);
    const { machine } = consumer;
    let read = 0;
    for (;;) {
      const next = machine.nextUnread(KEYED_LANE);
      if (next === 0 || read >= budget) break;
      read++;
      const found = this.#events.find(next, consumer.id);
      if (found === undefined) machine.pruned(next, next);
      else {
        const view = this.#view.wrap(found.bytes, found.offset);
        machine.read(KEYED_LANE, next, consumer.keyOf(view));
      }
    }
    return read < budget ? read + this.#readAhead(consumer, budget - read) : read;
  }

  /**
   * Reads on from where one lane is, and gives each event to its own lane. Lanes that have come less far are not
   * concerned; they have their turn, so that no lane waits for another one that is full.
   */
  #readAhead(consumer: DeskConsumer, limit: number): number {
    const { head } = this.#log;
    const lane = this.#nextLane(consumer, head);
    if (lane < 0) return 0;
    const { machine, backlog } = consumer;
    const after = machine.lane(lane).position;
    if (backlog.covers(after)) return this.#takeBacklog(consumer, limit);
    const until = Math.min(head, backlog.startFor(after));
    let reading = lanesFrom(consumer, after, head);
    let last = after;
    let isHole = false;
    const request = { after, until, limit, limitBytes: CATCH_UP_BYTES_PER_STEP };
    const read = this.#log.read(request, ({ sequence, bytes, offset }) => {
      isHole = sequence > last + 1 && consumer.prunedSeen !== this.#log.prunedEvents;
      if (isHole) {
        this.#beginScan(consumer, last, sequence - 1);
        return false;
      }
      reading = this.#give(consumer, sequence, this.#view.wrap(bytes, offset), reading);
      if (reading === 0) return false;
      last = sequence;
      return undefined;
    });
    // Events just before the end may have been pruned: no read shows them.
    if (read === 0 && !isHole && last < until) {
      if (consumer.prunedSeen === this.#log.prunedEvents) last = until;
      else this.#beginScan(consumer, last, until);
    }
    this.#pass(consumer, reading, last);
    return Math.max(1, read);
  }

  /** Reads on from events whose records are at hand. */
  #takeBacklog(consumer: DeskConsumer, limit: number): number {
    const { machine, backlog } = consumer;
    for (let taken = 0; taken < limit; taken++) {
      const next = backlog.next(machine.lane(ONLY_LANE).position);
      const found = next > backlog.through ? undefined : this.#events.kept(next);
      if (next > backlog.through) machine.passed(ONLY_LANE, backlog.through);
      else if (found === undefined) backlog.clear();
      else if (consumer.wantsMore(ONLY_LANE)) {
        machine.read(ONLY_LANE, next, consumer.keyOf(this.#view.wrap(found.bytes, found.offset)));
        backlog.take();
        continue;
      } else machine.passed(ONLY_LANE, next - 1);
      return taken + 1;
    }
    return limit;
  }

  /** Returns the lanes, as bits, that take more. */
  #give(consumer: DeskConsumer, sequence: number, view: EventRecordView, reading: number): number {
    const { machine } = consumer;
    const lane = consumer.laneOf(view.topic);
    const bit = 1 << lane;
    if ((reading & bit) === 0 || sequence <= machine.lane(lane).position) return reading;
    if (!consumer.wantsMore(lane)) {
      machine.passed(lane, sequence - 1);
      return reading ^ bit;
    }
    const isOfTopic = this.#consumersOf(view.topic).includes(consumer);
    if (isOfTopic && consumer.matches(view)) {
      if (view.hasExpiry && view.isExpired(this.#options.expiryNow())) {
        machine.passExpired(lane);
        return reading;
      }
      machine.read(lane, sequence, consumer.keyOf(view));
      consumer.dead.comesAgain(sequence);
      this.#events.keep(sequence, view.bytes, view.offset, view.length);
    }
    return reading;
  }

  #pass(consumer: DeskConsumer, lanes: number, through: number): void {
    for (let lane = 0; lane < consumer.lanes; lane++) {
      if ((lanes & (1 << lane)) !== 0) consumer.machine.passed(lane, through);
    }
  }

  /** The next lane that is behind, each time another one; -1: none is. */
  #nextLane(consumer: DeskConsumer, head: number): number {
    for (let tried = 0; tried < consumer.lanes; tried++) {
      consumer.readLane = (consumer.readLane + 1) % consumer.lanes;
      if (isLaneBehind(consumer, consumer.readLane, head)) return consumer.readLane;
    }
    return -1;
  }

  #beginScan(consumer: DeskConsumer, after: number, until: number): void {
    const { topics } = consumer.entry.definition.filter;
    consumer.prunedScan = new PrunedScan(this.#log, topics, after, until);
  }

  #scan(consumer: DeskConsumer, scan: PrunedScan): number {
    const through = scan.step();
    if (through === undefined) return GAP_TOPICS_PER_STEP;
    const { after, until, prunedEvents } = scan;
    consumer.prunedScan = undefined;
    consumer.prunedSeen = prunedEvents;
    consumer.passHole(lanesFrom(consumer, after, until), after, through, until);
    return GAP_TOPICS_PER_STEP;
  }
}

function isLaneBehind(consumer: DeskConsumer, lane: number, head: number): boolean {
  return consumer.machine.lane(lane).position < head && consumer.wantsMore(lane);
}

/** The lanes, as bits, that read on from a sequence or from further ahead, and take more. */
function lanesFrom(consumer: DeskConsumer, after: number, head: number): number {
  let lanes = 0;
  for (let lane = 0; lane < consumer.lanes; lane++) {
    const isFurther = consumer.machine.lane(lane).position >= after;
    if (isFurther && isLaneBehind(consumer, lane, head)) lanes |= 1 << lane;
  }
  return lanes;
}
