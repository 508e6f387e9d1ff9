/**
 * Judges publishes that are bound to terms, and groups, before anything of them is appended: whether a topic's last
 * event is the one that was expected, and whether the events of a group are stored already. Events that the open batch
 * has appended count. The verdict goes into the record, where a successor of this thread finds it. Of a shared log, to
 * which other nodes append meanwhile, only the store can judge: here it is asked whether it does. Only the shard's loop touches
 * this.
 */
import {
  ACCEPTED,
  type GroupView,
  NOT_EXPECTED,
  REPEATS_WAITING,
  STORED_APART,
  TermsView,
  TOO_MANY_WAITING,
  WAITS_APART,
} from '../link/publish-records.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { EVENT_FLAG_SUPPLIED_ID, EventRecordView } from '../record/event-record.js';
import type { JudgedTerms, ShardLog } from '../store/shard-log.js';
import type { BatchEvents } from './batch-events.js';
import type { LaterPublishes } from './later/later-publishes.js';
import { NO_EXPECT_ERROR, NO_GROUPS_ERROR, refusalOfVerdict } from './verdicts.js';

/** What `PublishJudge.ofGroup` returns besides a sequence: the group is new, is refused, or repeats one that waits. */
export const NEW_GROUP = 0;
export const REFUSED_GROUP = -1;
export const WAITING_GROUP = -2;

export class PublishJudge {
  /** Why the last publish or group was refused; `undefined`: it was not. */
  error: ErrorData | undefined;
  /** The sequence that this refusal rests on; 0 if it rests on none. Of `WAITING_GROUP` the time. */
  found = 0;
  readonly #log: ShardLog;
  readonly #batch: BatchEvents;
  readonly #later: LaterPublishes;
  readonly #event = new EventRecordView();
  readonly #terms = new TermsView();
  readonly #other = new EventRecordView();
  /** The place in the batch of each topic's last event, as far as the batch was looked at. */
  readonly #places = new Map<string, number>();
  #looked = 0;

  constructor(log: ShardLog, batch: BatchEvents, later: LaterPublishes) {
    this.#log = log;
    this.#batch = batch;
    this.#later = later;
  }

  /** The batch is released, or its events were taken out of it. */
  forgetBatch(): void {
    if (this.#looked === 0) return;
    this.#places.clear();
    this.#looked = 0;
  }

  /** True if the topic's last event is the one that the terms expect. */
  accepts(event: EventRecordView, terms: TermsView): boolean {
    const { expected } = terms;
    if (expected === undefined) return true;
    if (this.#log.lastSequenceOf === undefined) return this.#isLeftToStore('expect');
    const found = this.#lastOf(event.topic);
    if (found === expected) return true;
    terms.judge(NOT_EXPECTED, found);
    this.#refuse(NOT_EXPECTED, event, expected, found);
    return false;
  }

  /**
   * Judges a group as a whole. It is a repeat if all its events are stored, one behind the other, in the same order, or
   * if all of them wait for their time.
   * @returns the first sequence of the group that this one repeats; `NEW_GROUP`, `REFUSED_GROUP`, `WAITING_GROUP`
   */
  ofGroup(group: GroupView): number {
    group.judge(ACCEPTED);
    for (const item of group.items) this.#terms.wrap(group.bytes, item).judge(ACCEPTED, 0);
    if (this.#log.lastSequenceOf === undefined) return this.#ofGroupForStore(group);
    const first = this.#repeatOf(group);
    if (first !== NEW_GROUP) return first;
    const waiting = this.#waitingOf(group);
    if (waiting !== NEW_GROUP) return waiting;
    return this.#meetsTerms(group) && this.#mayWait(group) ? NEW_GROUP : REFUSED_GROUP;
  }

  /** `WAITING_GROUP` if all events wait, `NEW_GROUP` if none does. */
  #waitingOf(group: GroupView): number {
    const { bytes, items } = group;
    let dueAt: number | undefined;
    let isPart = false;
    let last = 0;
    for (const [index, item] of items.entries()) {
      const terms = this.#terms.wrap(bytes, item);
      const due = this.#waitingUntil(this.#event.wrap(bytes, terms.eventOffset));
      if (index > 0 && (due === undefined) !== (dueAt === undefined)) isPart = true;
      if (due !== undefined) {
        dueAt ??= due;
        last = index;
      }
    }
    if (isPart) return this.#refuseApart(group, last, dueAt!, WAITS_APART);
    if (dueAt === undefined) return NEW_GROUP;
    group.judge(REPEATS_WAITING);
    this.#terms.wrap(bytes, items[0]!).judge(REPEATS_WAITING, dueAt);
    this.found = dueAt;
    return WAITING_GROUP;
  }

  #waitingUntil(event: EventRecordView): number | undefined {
    if ((event.flags & EVENT_FLAG_SUPPLIED_ID) === 0) return undefined;
    return this.#later.repeated(event.bytes, event.offset);
  }

  /** False if the events are to wait and there are too many of those. All events of a group have one time. */
  #mayWait(group: GroupView): boolean {
    const terms = this.#terms.wrap(group.bytes, group.items[0]!);
    if (this.#later.dueOf(terms) === undefined) return true;
    const fault = this.#later.faultOf(group.count);
    if (fault === undefined) return true;
    group.judge(TOO_MANY_WAITING);
    terms.judge(TOO_MANY_WAITING, 0);
    this.found = 0;
    this.error = fault;
    return false;
  }

  /** The store of a shared log judges groups, and finds those that it has; without `scheduled` none may wait. */
  #ofGroupForStore(group: GroupView): number {
    if (!this.#isLeftToStore('groups')) return REFUSED_GROUP;
    const isOnTerms = group.items.some(
      (item) => this.#terms.wrap(group.bytes, item).expected !== undefined,
    );
    if (isOnTerms && !this.#isLeftToStore('expect')) return REFUSED_GROUP;
    return this.#mayWait(group) ? NEW_GROUP : REFUSED_GROUP;
  }

  #isLeftToStore(terms: keyof JudgedTerms): boolean {
    if (this.#log.judges?.[terms] === true) return true;
    this.found = 0;
    this.error = terms === 'expect' ? NO_EXPECT_ERROR : NO_GROUPS_ERROR;
    return false;
  }

  #repeatOf(group: GroupView): number {
    const { bytes, items } = group;
    const firstNew = this.#log.head + 1;
    let first = 0;
    let before = 0;
    for (const [index, item] of items.entries()) {
      const terms = this.#terms.wrap(bytes, item);
      const sequence = this.#storedAs(this.#event.wrap(bytes, terms.eventOffset));
      if (index === 0) first = sequence;
      else if (first === 0 && sequence > 0) return this.#refuseApart(group, index, sequence);
      else if (first > 0 && sequence === 0) return this.#refuseApart(group, index - 1, before);
      else if (first > 0) {
        // What is stored, and what the batch is about to store, are not one group.
        const isOther = sequence !== first + index || sequence < firstNew !== first < firstNew;
        if (isOther) return this.#refuseApart(group, index, sequence);
      }
      before = sequence;
    }
    return first;
  }

  #storedAs(event: EventRecordView): number {
    const isSupplied = (event.flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
    return isSupplied ? this.#log.findDuplicate(event.bytes, event.offset) : 0;
  }

  #refuseApart(group: GroupView, index: number, found: number, verdict = STORED_APART): number {
    const terms = this.#terms.wrap(group.bytes, group.items[index]!);
    group.judge(verdict, index);
    terms.judge(verdict, found);
    const event = this.#event.wrap(group.bytes, terms.eventOffset);
    this.#refuse(verdict, event, 0, found, index);
    return REFUSED_GROUP;
  }

  #meetsTerms(group: GroupView): boolean {
    const { bytes, items } = group;
    for (const [index, item] of items.entries()) {
      const terms = this.#terms.wrap(bytes, item);
      const { expected } = terms;
      if (expected === undefined) continue;
      const event = this.#event.wrap(bytes, terms.eventOffset);
      const found = this.#lastOf(event.topic);
      if (found === expected) continue;
      group.judge(NOT_EXPECTED, index);
      terms.judge(NOT_EXPECTED, found);
      this.#refuse(NOT_EXPECTED, event, expected, found, index);
      return false;
    }
    return true;
  }

  #refuse(
    verdict: number,
    event: EventRecordView,
    expected: number,
    found: number,
    index?: number,
  ): void {
    this.found = found;
    this.error = refusalOfVerdict(verdict, {
      event,
      expected,
      found,
      id: this.#idOf(found),
      index,
    });
  }

  /** The sequence of the topic's last event, 0 if it never had one. */
  #lastOf(topic: string): number {
    const { topics, sequences, length } = this.#batch;
    for (; this.#looked < length; this.#looked++) {
      if (sequences[this.#looked] !== 0) this.#places.set(topics[this.#looked]!, this.#looked);
    }
    const place = this.#places.get(topic);
    if (place !== undefined) return this.#log.head + sequences[place]!;
    return this.#log.lastSequenceOf!(topic);
  }

  /** The id of an event, in the batch or in the log; undefined if the log has it no longer. */
  #idOf(sequence: number): string | undefined {
    const { head } = this.#log;
    if (sequence <= head) return storedId(this.#log, sequence);
    const { bytes, offsets, sequences, length } = this.#batch;
    for (let i = length - 1; i >= 0; i--) {
      if (head + sequences[i]! === sequence) return this.#other.wrap(bytes[i]!, offsets[i]!).id;
    }
    return undefined;
  }
}

/** The id of a stored event; undefined if it is pruned or damaged. */
export function storedId(log: ShardLog, sequence: number): string | undefined {
  let id: string | undefined;
  if (sequence === 0) return undefined;
  try {
    log.read({ after: sequence - 1, until: sequence, limit: 1 }, ({ bytes, offset }) => {
      id = new EventRecordView().wrap(bytes, offset).id;
      return false;
    });
  } catch (error) {
    if (!(error instanceof BusError) || error.code !== 'STORE_CORRUPT') throw error;
  }
  return id;
}
