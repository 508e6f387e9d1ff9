/** Answers endpoints' calls about publishes that wait. Served between batches, by the shard's loop. */
import type { PromptHandlers } from '../../link/calls.js';
import {
  type CancelWaitingRequest,
  damagedWaiting,
  type WaitingDamage,
  type WaitingEntry,
  type WaitingPage,
  type WaitingRequest,
} from '../../link/scheduled-calls.js';
import { BusError } from '../../protocol/errors.js';
import { SCHEDULED_PER_REPLY } from '../../protocol/limits/schedules.js';
import { PatternSet } from '../../protocol/pattern-set.js';
import { EventRecordView } from '../../record/event-record.js';
import {
  type DuePublish,
  FIRST_WAITING,
  type ShardScheduled,
  type WaitingPlace,
  type WaitingPublish,
} from '../../store/scheduled.js';
import type { ShardLog } from '../../store/shard-log.js';
import { missing } from '../missing.js';

export type WaitingHandlers = Pick<PromptHandlers<'shard', unknown>, 'waiting' | 'cancelWaiting'>;

export class WaitingCommands {
  readonly #log: ShardLog;
  readonly #view = new EventRecordView();

  constructor(log: ShardLog) {
    this.#log = log;
  }

  readonly handlers: WaitingHandlers = {
    waiting: (request) => this.#list(request),
    cancelWaiting: (request) => ({ isFound: this.#cancel(request) }),
  };

  get #scheduled(): ShardScheduled {
    return this.#log.scheduled ?? missing('keeps no publishes that wait');
  }

  #list({ patterns, id, after, limit }: WaitingRequest): WaitingPage {
    const wanted = new PatternSet(patterns);
    const most = Math.min(limit, SCHEDULED_PER_REPLY);
    const found =
      id === null
        ? this.#scheduled.page(after, SCHEDULED_PER_REPLY)
        : this.#scheduled.withId(id, undefined, after, SCHEDULED_PER_REPLY);
    return this.#pageOf(found, wanted, most);
  }

  /** Entries of those that match. Where none were found, none come behind. */
  #pageOf(found: readonly DuePublish[], wanted: PatternSet, most: number): WaitingPage {
    const publishes: WaitingEntry[] = [];
    const damage: WaitingDamage[] = [];
    for (const publish of found) {
      const { dueAt, number, fault: reason } = publish;
      if (reason !== undefined) {
        damage.push({ dueAt, number, reason });
        continue;
      }
      const entry = this.#entryOf(publish);
      if (!wanted.covers(entry.topic)) continue;
      if (publishes.push(entry) < most) continue;
      return { publishes, damage, next: { dueAt, number } };
    }
    const last = found.at(-1);
    if (last === undefined) return { publishes, damage, next: null };
    return { publishes, damage, next: { dueAt: last.dueAt, number: last.number } };
  }

  #entryOf({ number, dueAt, acceptedAt, record }: WaitingPublish): WaitingEntry {
    const view = this.#view.wrap(record, 0);
    const { id, topic, type, source, correlationId } = view;
    const entry = { number, dueAt, acceptedAt, id, topic, type, source, bytes: record.length };
    return correlationId === undefined ? entry : { ...entry, correlationId };
  }

  /** @throws BusError `CONFLICT`, `STORE_FULL`, `STORE_CORRUPT` if the only one that it may be is damaged */
  #cancel({ topic, id, source }: CancelWaitingRequest): boolean {
    const scheduled = this.#scheduled;
    const found: number[] = [];
    let damage: string | undefined;
    let after: WaitingPlace = FIRST_WAITING;
    for (;;) {
      const page = scheduled.withId(id, topic, after, SCHEDULED_PER_REPLY);
      const last = page.at(-1);
      if (last === undefined) break;
      for (const { number, record, fault } of page) {
        if (fault !== undefined) damage = fault;
        else if (source === null || this.#view.wrap(record, 0).source === source)
          found.push(number);
      }
      if (found.length > 1) throw ofSeveralSources(topic, id);
      after = last;
    }
    const [one] = found;
    if (one === undefined && damage !== undefined) throw damagedWaiting(damage);
    if (one === undefined) return false;
    scheduled.remove(one);
    this.#log.commit(true, []);
    return true;
  }
}

function ofSeveralSources(topic: string, id: string): BusError {
  const message = `publishes with the id ${id} wait on ${topic} of several sources: name its source`;
  return new BusError('CONFLICT', message, { details: { id, topics: [topic] } });
}
