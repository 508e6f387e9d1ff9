import { BusError } from '../protocol/errors.js';
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
  /** Another shard has its place, or is about to take it: it publishes nothing any more. */
  readonly isMoved: boolean;
  /** Every due time up to here is done with, ms since 1970. */
  readonly handledUntil: number;
  readonly fired: number;
  /** ms since 1970; 0: none. */
  readonly lastAt: number;
  /** null: none. */
  readonly nextAt: number | null;
}

export interface FoundSchedule {
  /** null: the shard has none of this name, or its row is damaged. */
  readonly schedule: ScheduleEntry | null;
  /** What is wrong with its row; null: nothing. */
  readonly damage: string | null;
}

export interface AlteredSchedule {
  readonly schedule: ScheduleEntry | null;
  readonly isFound: boolean;
}

export interface SchedulesPage {
  readonly schedules: readonly ScheduleEntry[];
  /** The list goes on behind this name; null: this was the last page. */
  readonly next: string | null;
}

/** What a schedule brings from the shard that had it. */
export type BroughtSchedule = Pick<ScheduleEntry, 'fired' | 'lastAt' | 'isPaused'>;

export interface PutScheduleRequest {
  readonly name: string;
  readonly definition: string;
  /** It comes from another shard, and publishes nothing until it has arrived; null: it is the shard's own. */
  readonly arriving: BroughtSchedule | null;
}

/** What a schedule has done, up to when. */
export type DoneBySchedule = Pick<ScheduleEntry, 'fired' | 'lastAt' | 'handledUntil'>;

export interface AlterShardScheduleRequest {
  readonly name: string;
  /** `leave`: it is about to move to another shard; `arrive`: this shard has its place. */
  readonly kind: 'pause' | 'resume' | 'delete' | 'leave' | 'arrive';
  /** Of `arrive`: what it has done in the shard that it has left. */
  readonly done?: DoneBySchedule | undefined;
}

export interface SetScheduleRequest {
  readonly name: string;
  readonly definition: string;
  /** A schedule of this name that is there has to publish on topics that these patterns cover; null: on any. */
  readonly topics: readonly string[] | null;
}

export interface AlterScheduleRequest {
  readonly name: string;
  readonly kind: 'pause' | 'resume' | 'delete';
  /** As of `SetScheduleRequest`; one that publishes on another topic is not there. */
  readonly topics: readonly string[] | null;
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
    fields<FoundSchedule>({}),
  ),
  /** Makes or changes a schedule of the shard; answered when that is flushed. */
  putSchedule: by(
    'shard',
    fields<PutScheduleRequest>({ name: isText, definition: isText }),
    fields<ScheduleEntry>(ENTRY),
  ),
  /** Answered when it is flushed. null: the shard has no such schedule, or none any more. */
  alterShardSchedule: by(
    'shard',
    fields<AlterShardScheduleRequest>({ name: isText, kind: isText }),
    fields<{ readonly schedule: ScheduleEntry | null }>({}),
  ),

  /** Makes or changes a schedule, in whichever shard it belongs to. */
  setSchedule: by(
    'main',
    fields<SetScheduleRequest>({ name: isText, definition: isText }),
    fields<ScheduleEntry>(ENTRY),
  ),
  /** The schedule as it is now; null: it is deleted, or was not there. `isFound`: it was. */
  alterSchedule: by(
    'main',
    fields<AlterScheduleRequest>({ name: isText, kind: isText }),
    fields<AlteredSchedule>({ isFound: isTrueOrFalse }),
  ),
};

/** @param reason what is wrong with its row */
export function damagedSchedule(reason: string): BusError {
  return new BusError('STORE_CORRUPT', `${reason}: set it anew, or delete it`, {
    details: { reason },
  });
}
