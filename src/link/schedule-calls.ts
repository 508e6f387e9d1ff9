import { by } from './call.js';
import { fields, isList, isNumber, isText, isTrueOrFalse } from './shapes.js';

/** A schedule as a shard has it. */
export interface ScheduleEntry {
  readonly name: string;
  readonly shard: number;
  /** See `protocol/schedule-text.ts`. */
  readonly definition: string;
  readonly isPaused: boolean;
  /** It is to take the place of the schedule of this name in another shard, and publishes nothing yet. */
  readonly isArriving: boolean;
  readonly fired: number;
  /** ms since 1970; 0: none. */
  readonly lastAt: number;
  /** null: none. */
  readonly nextAt: number | null;
}

export interface SchedulesPage {
  readonly schedules: readonly ScheduleEntry[];
  /** The list goes on behind this name; null: this was the last page. */
  readonly next: string | null;
}

export interface PutScheduleRequest {
  readonly name: string;
  readonly definition: string;
  readonly isArriving: boolean;
}

export interface AlterScheduleRequest {
  readonly name: string;
  readonly kind: 'pause' | 'resume' | 'delete' | 'arrive';
}

const ENTRY = { name: isText, shard: isNumber, definition: isText, fired: isNumber };

/** The calls about schedules; a part of the table in `calls.ts`. All may be served twice. */
export const SCHEDULE_CALLS = {
  shardSchedules: by(
    'shard',
    fields<{ readonly after: string }>({ after: isText }),
    fields<SchedulesPage>({ schedules: isList }),
  ),
  findSchedule: by(
    'shard',
    fields<{ readonly name: string }>({ name: isText }),
    fields<{ readonly schedule: ScheduleEntry | null }>({}),
  ),
  /** Makes or changes a schedule of the shard; answered when that is flushed. */
  putSchedule: by(
    'shard',
    fields<PutScheduleRequest>({ name: isText, definition: isText, isArriving: isTrueOrFalse }),
    fields<ScheduleEntry>(ENTRY),
  ),
  /** Answered when it is flushed. null: the shard has no such schedule, or none any more. */
  alterShardSchedule: by(
    'shard',
    fields<AlterScheduleRequest>({ name: isText, kind: isText }),
    fields<{ readonly schedule: ScheduleEntry | null }>({}),
  ),

  /** Makes or changes a schedule, in whichever shard it belongs to. */
  setSchedule: by(
    'main',
    fields<{ readonly name: string; readonly definition: string }>({
      name: isText,
      definition: isText,
    }),
    fields<ScheduleEntry>(ENTRY),
  ),
  /** null after a deletion, also of a schedule that is not there. */
  alterSchedule: by(
    'main',
    fields<AlterScheduleRequest>({ name: isText, kind: isText }),
    fields<{ readonly schedule: ScheduleEntry | null }>({}),
  ),
};
