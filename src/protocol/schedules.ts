import type { EventInput } from './event.js';

/** Schedules: what a bus publishes again and again, by a cron expression or at an interval. Types only. */

/** The event that a schedule publishes; its id and its times are made for each due time. */
export type ScheduledEvent<P = unknown> = Omit<EventInput<P>, 'id' | 'timestamp' | 'expiresAt'>;

/** The event of a schedule, as it is shown. */
export type ShownEvent = Omit<ScheduledEvent, 'payload'> & { readonly payload?: unknown };

/**
 * Which due times that have passed unused become events, such as those while the bus was closed: `all`, at most the last
 * 1000 of them; the `last` one; or `none`. A due time has passed unused once it is 10 s late.
 */
export type MissedDueTimes = 'all' | 'last' | 'none';

/** One of `cron` and `everyMs` is needed. */
export interface ScheduleOptions<P = unknown> {
  /** Five fields, or six with seconds in front: `0 9 * * 1-5`. Default: none. */
  cron?: string;
  /** The IANA time zone in which `cron` is read, such as `Europe/Berlin`. Default `UTC`. */
  timeZone?: string;
  /** The interval, ms: 1000 to ten years. Default: none. */
  everyMs?: number;
  /** A time from which intervals count: RFC 3339 in UTC, or a `Date`. Default 1970-01-01. */
  anchor?: Date | string;
  /**
   * The event. It gets the attributes `schedule`, the schedule's name, and `dueAt`, the due time for which it is, and an id
   * made of both.
   */
  event: ScheduledEvent<P>;
  /** Default `all`. */
  missed?: MissedDueTimes;
  /** How long each event lives, ms, as of a publish. Default: it does not expire. */
  ttlMs?: number;
}

export interface ScheduleInfo {
  readonly name: string;
  readonly cron?: string;
  /** Of `cron`. */
  readonly timeZone?: string;
  readonly everyMs?: number;
  /** Of `everyMs`, RFC 3339. */
  readonly anchor?: string;
  /** A client that may not read the topic gets it without payload, attributes and `causationId`. */
  readonly event: ShownEvent;
  readonly missed: MissedDueTimes;
  readonly ttlMs?: number;
  readonly isPaused: boolean;
  readonly shard: number;
  /** How many events it has become. */
  readonly fired: number;
  /** The due time of the last of them, RFC 3339; absent: there is none. */
  readonly lastAt?: string;
  /** The next due time, RFC 3339; absent: it is paused, or has none any more. */
  readonly nextAt?: string;
}

export interface Schedules {
  /**
   * Makes the schedule of this name, or changes it. The same definition again changes nothing, so a program may set its
   * schedules whenever it starts. A new definition counts from now on.
   *
   * @param name 1 to 40 characters of `A-Z a-z 0-9 _ -`
   * @param options when, and what
   * @throws BusError `OPTION_INVALID`, also for a cron expression that never comes, or if the store keeps no schedules;
   *   `TOPIC_INVALID`, `EVENT_INVALID`, `PAYLOAD_INVALID`, `PAYLOAD_TOO_LARGE`, `LIMIT_EXCEEDED`, `STORE_FULL`,
   *   `STORE_FAILED`, `STORE_CORRUPT`, `BUS_CLOSED`
   */
  set<P = unknown>(name: string, options: ScheduleOptions<P>): Promise<ScheduleInfo>;
  /**
   * All schedules, by name.
   * @throws BusError `OPTION_INVALID` if the store keeps none, `STORE_FAILED`, `STORE_CORRUPT`, `BUS_CLOSED`
   */
  list(): Promise<ScheduleInfo[]>;
  /** The schedule of this name; `undefined` if there is none. @throws BusError as `list` */
  get(name: string): Promise<ScheduleInfo | undefined>;
  /**
   * The next due times, RFC 3339, as if it were not paused: fewer where there are no more.
   *
   * @param name of the schedule
   * @param count 1 to 1000. Default 5
   * @throws BusError `SCHEDULE_UNKNOWN`, and as `list`
   */
  next(name: string, count?: number): Promise<string[]>;
  /** Publishes nothing until `resume`. @throws BusError `SCHEDULE_UNKNOWN`, and as `set` */
  pause(name: string): Promise<ScheduleInfo>;
  /** Goes on; due times that came meanwhile are not made up for. @throws BusError `SCHEDULE_UNKNOWN`, and as `set` */
  resume(name: string): Promise<ScheduleInfo>;
  /** Removes it; false if there is none. @throws BusError as `set` */
  delete(name: string): Promise<boolean>;
}
