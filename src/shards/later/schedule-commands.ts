/** Answers calls about a shard's schedules. Served between batches, by the shard's loop; a change is flushed first. */
import type { PromptHandlers } from '../../link/calls.js';
import type { AlterShardScheduleRequest, ScheduleEntry } from '../../link/schedule-calls.js';
import { SCHEDULES_PER_REPLY } from '../../protocol/limits/schedules.js';
import type { StoredSchedule } from '../../store/scheduled.js';
import type { ShardLog } from '../../store/shard-log.js';
import { missing } from '../missing.js';
import type { DueEvents } from './due-events.js';
import type { ShardSchedules } from './shard-schedules.js';

export type ScheduleHandlers = Pick<
  PromptHandlers<'shard', unknown>,
  'shardSchedules' | 'findSchedule' | 'putSchedule' | 'alterShardSchedule'
>;

export class ScheduleCommands {
  readonly #log: ShardLog;
  readonly #due: DueEvents | undefined;

  constructor(log: ShardLog, due: DueEvents | undefined) {
    this.#log = log;
    this.#due = due;
  }

  readonly handlers: ScheduleHandlers = {
    shardSchedules: ({ after }) => {
      const schedules = this.#schedules.list(after, SCHEDULES_PER_REPLY);
      const isLast = schedules.length < SCHEDULES_PER_REPLY;
      return { schedules, next: isLast ? null : schedules.at(-1)!.name };
    },
    findSchedule: ({ name }) => {
      const schedules = this.#schedules;
      return { schedule: schedules.find(name), damage: schedules.damageOf(name) };
    },
    putSchedule: (request) => {
      const change = this.#schedules.change(request, this.#now);
      return change === null ? this.#schedules.find(request.name)! : this.#store(change);
    },
    alterShardSchedule: (request) => ({ schedule: this.#alter(request) }),
  };

  get #schedules(): ShardSchedules {
    return this.#due?.schedules ?? missing('keeps no schedules');
  }

  get #now(): number {
    return this.#due!.now;
  }

  #alter(request: AlterShardScheduleRequest): ScheduleEntry | null {
    const { name, kind } = request;
    if (kind === 'delete') return this.#delete(name);
    const change = this.#schedules.altered(request, this.#now);
    return change === undefined ? this.#schedules.find(name) : this.#store(change);
  }

  #delete(name: string): null {
    const schedules = this.#schedules;
    if (schedules.find(name) === null && schedules.damageOf(name) === null) return null;
    this.#log.scheduled!.removeSchedule(name);
    this.#log.commit(true, []);
    schedules.forget(name);
    return null;
  }

  #store(change: StoredSchedule): ScheduleEntry {
    this.#log.scheduled!.putSchedule(change);
    this.#log.commit(true, []);
    return this.#schedules.keep(change);
  }
}
