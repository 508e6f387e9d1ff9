/**
 * The schedules of a shard: which due time comes next, and the event of each. What it hands to a batch becomes its state
 * when the batch is committed. Only the shard's loop touches this.
 */
import type {
  AlterShardScheduleRequest,
  DoneBySchedule,
  PutScheduleRequest,
  ScheduleEntry,
} from '../../link/schedule-calls.js';
import { BusError } from '../../protocol/errors.js';
import { SCHEDULES_PER_SHARD_MAX } from '../../protocol/limits/schedules.js';
import { type KeptSchedule, parsedSchedule } from '../../protocol/schedule-text.js';
import { messageOf } from '../../protocol/thrown.js';
import { DueQueue } from '../../schedules/due-queue.js';
import { DueTimes } from '../../schedules/due-times.js';
import { passedOver } from '../../schedules/missed.js';
import type { ShardScheduled, StoredSchedule } from '../../store/scheduled.js';
import { FiringEncoder } from './firing-encoder.js';

/**
 * How a schedule stands, beside its definition; stored as a part of the text. `moved`: another shard has its place, or is
 * about to take it, with one that is arriving.
 */
type Standing = 'active' | 'paused' | 'arriving' | 'arrivingPaused' | 'moved';

interface Schedule {
  readonly stored: StoredSchedule;
  readonly definition: string;
  readonly standing: Standing;
  readonly kept: KeptSchedule;
  readonly times: DueTimes;
  /** `Infinity`: none. */
  readonly nextAt: number;
}

/** An event that is due. */
export interface Firing {
  readonly dueAt: number;
  readonly record: Buffer;
}

export class ShardSchedules {
  readonly #scheduled: ShardScheduled;
  readonly #shard: number;
  readonly #encoder = new FiringEncoder();
  readonly #byName = new Map<string, Schedule>();
  /** The state of schedules once the open batch is committed. */
  readonly #pending = new Map<string, Schedule>();
  /** What is wrong with damaged ones, by name: nothing is published by them, until they are set anew. */
  readonly #damaged = new Map<string, string>();
  /** When each is due next, in the state that it has once the open batch is committed. */
  readonly #due = new DueQueue();

  constructor(scheduled: ShardScheduled, shard: number, onDamage: (error: BusError) => void) {
    this.#scheduled = scheduled;
    this.#shard = shard;
    const onFault = (reason: string, name?: string): void => {
      if (name !== undefined) this.#damaged.set(name, reason);
      const details = { shard, reason };
      onDamage(new BusError('STORE_CORRUPT', `shard ${shard}: ${reason}`, { details }));
    };
    for (const stored of scheduled.schedules(onFault)) {
      try {
        this.#keep(scheduleOf(stored));
      } catch (error) {
        // Such as a time zone that this version of Node does not know any more.
        const reason = `the schedule ${stored.name} cannot be followed: ${messageOf(error)}`;
        onFault(reason, stored.name);
      }
    }
  }

  get count(): number {
    return this.#byName.size;
  }

  /** ms since 1970; `Infinity` if nothing is due any more. */
  get firstDue(): number {
    return this.#due.first?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  /**
   * The next firing that is due by a time, or `undefined`. Its schedule goes on behind it once the batch is committed, for
   * which `put` stores it.
   */
  next(now: number): Firing | undefined {
    for (let due = this.#earliest(now); due !== undefined; due = this.#earliest(now)) {
      const { stored, kept, times } = due;
      const handled = passedOver(times, kept.missed, stored.handledUntil, now);
      const dueAt = times.after(handled);
      if (dueAt === undefined || dueAt > now) {
        this.#advance(due, { ...stored, handledUntil: handled });
        continue;
      }
      const { name } = stored;
      const record = this.#encoder.encode(name, kept, dueAt);
      const fired = stored.fired + 1;
      this.#advance(due, { ...stored, handledUntil: dueAt, fired, lastAt: dueAt });
      return { dueAt, record };
    }
    return undefined;
  }

  /** When the schedule that is due first by a time is due, as far as is known without passing over. */
  peek(now: number): number | undefined {
    return this.#earliest(now)?.nextAt;
  }

  /** Stores what the firings of this batch have changed; true if there is anything. */
  put(): boolean {
    for (const { stored } of this.#pending.values()) this.#scheduled.putSchedule(stored);
    return this.#pending.size > 0;
  }

  /** The batch is committed. */
  committed(): void {
    if (this.#pending.size === 0) return;
    for (const schedule of this.#pending.values()) this.#keep(schedule);
    this.#pending.clear();
  }

  /** The batch was refused. */
  refused(): void {
    for (const name of this.#pending.keys()) this.#due.set(name, this.#byName.get(name)!.nextAt);
    this.#pending.clear();
  }

  list(after: string, limit: number): ScheduleEntry[] {
    const names = [...this.#byName.keys()].filter((name) => name > after).sort();
    return names.slice(0, limit).map((name) => this.#entryOf(this.#byName.get(name)!));
  }

  find(name: string): ScheduleEntry | null {
    const found = this.#byName.get(name);
    return found === undefined ? null : this.#entryOf(found);
  }

  /** What is wrong with the row of this name; null: nothing. */
  damageOf(name: string): string | null {
    return this.#damaged.get(name) ?? null;
  }

  /** @returns the change to store and, once it is, to take over by `keep` */
  change({ name, definition, arriving }: PutScheduleRequest, now: number): StoredSchedule | null {
    const found = this.#byName.get(name);
    if (found === undefined && this.#byName.size >= SCHEDULES_PER_SHARD_MAX) throw tooMany();
    if (arriving !== null) {
      const { fired, lastAt, isPaused } = arriving;
      const text = textOf(definition, isPaused ? 'arrivingPaused' : 'arriving');
      return { name, handledUntil: now, fired, lastAt, definition: text };
    }
    if (found?.definition === definition) return null;
    const handledUntil = Math.max(now, found?.stored.handledUntil ?? 0);
    const { fired = 0, lastAt = 0 } = found?.stored ?? {};
    const text = textOf(definition, found?.standing ?? 'active');
    return { name, handledUntil, fired, lastAt, definition: text };
  }

  /** As `change`; undefined: there is no such schedule, or it stands as it should. */
  altered(
    { name, kind, done }: Pick<AlterShardScheduleRequest, 'name' | 'kind' | 'done'>,
    now: number,
  ): StoredSchedule | undefined {
    const found = this.#byName.get(name);
    const wanted = found && standingAfter(found.standing, kind);
    if (found === undefined || wanted === undefined) return undefined;
    const stored = kind === 'arrive' ? arrived(found.stored, done) : found.stored;
    const from = kind === 'resume' ? now : 0;
    const handledUntil = Math.max(from, stored.handledUntil);
    return { ...stored, handledUntil, definition: textOf(found.definition, wanted) };
  }

  /** Takes over what is stored. */
  keep(stored: StoredSchedule): ScheduleEntry {
    const schedule = scheduleOf(stored);
    this.#keep(schedule);
    return this.#entryOf(schedule);
  }

  forget(name: string): void {
    this.#byName.delete(name);
    this.#damaged.delete(name);
    this.#due.delete(name);
  }

  #earliest(now: number): Schedule | undefined {
    const { first } = this.#due;
    if (first === undefined || first.dueAt > now) return undefined;
    return this.#pending.get(first.name) ?? this.#byName.get(first.name);
  }

  #advance(schedule: Schedule, stored: StoredSchedule): void {
    const nextAt = schedule.times.after(stored.handledUntil) ?? Number.POSITIVE_INFINITY;
    this.#pending.set(stored.name, { ...schedule, stored, nextAt });
    this.#due.set(stored.name, nextAt);
  }

  #keep(schedule: Schedule): void {
    this.#byName.set(schedule.stored.name, schedule);
    this.#damaged.delete(schedule.stored.name);
    this.#due.set(schedule.stored.name, schedule.nextAt);
  }

  #entryOf({ stored, definition, standing, nextAt }: Schedule): ScheduleEntry {
    const { name, fired, lastAt, handledUntil } = stored;
    return {
      name,
      shard: this.#shard,
      definition,
      isPaused: standing === 'paused' || standing === 'arrivingPaused',
      isArriving: standing === 'arriving' || standing === 'arrivingPaused',
      isMoved: standing === 'moved',
      handledUntil,
      fired,
      lastAt,
      nextAt: nextAt === Number.POSITIVE_INFINITY ? null : nextAt,
    };
  }
}

/** How it stands after a change; undefined: the change is made already, or is none for it. */
function standingAfter(
  standing: Standing,
  kind: AlterShardScheduleRequest['kind'],
): Standing | undefined {
  switch (kind) {
    case 'pause':
      return standing === 'active' ? 'paused' : undefined;
    case 'resume':
      return standing === 'paused' ? 'active' : undefined;
    case 'leave':
      return standing === 'active' || standing === 'paused' ? 'moved' : undefined;
    case 'arrive':
      if (standing === 'arrivingPaused') return 'paused';
      return standing === 'arriving' || standing === 'moved' ? 'active' : undefined;
    case 'delete':
      return undefined;
  }
}

/** With what it has done in the shard that it has left. */
function arrived(stored: StoredSchedule, done: DoneBySchedule | undefined): StoredSchedule {
  if (done === undefined) return stored;
  const { fired, lastAt } = done;
  return {
    ...stored,
    fired,
    lastAt,
    handledUntil: Math.max(stored.handledUntil, done.handledUntil),
  };
}

/** The stored text is the definition, which ends in `}`, with the standing as one more field. */
function textOf(definition: string, standing: Standing): string {
  return standing === 'active'
    ? definition
    : `${definition.slice(0, -1)},"standing":"${standing}"}`;
}

function scheduleOf(stored: StoredSchedule): Schedule {
  const { standing = 'active', ...kept } = parsedSchedule(stored.definition) as KeptSchedule & {
    standing?: Standing;
  };
  const times = DueTimes.of(kept);
  const next = standing === 'active' ? times.after(stored.handledUntil) : undefined;
  const definition = JSON.stringify(kept);
  return { stored, definition, standing, kept, times, nextAt: next ?? Number.POSITIVE_INFINITY };
}

function tooMany(): BusError {
  const limit = SCHEDULES_PER_SHARD_MAX;
  const message = `the shard has ${limit} schedules, which is the limit`;
  return new BusError('LIMIT_EXCEEDED', message, { details: { limit } });
}
