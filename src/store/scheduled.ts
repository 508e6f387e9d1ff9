/**
 * What a shard's log keeps for later: publishes that wait for the time at which they become events, and schedules, which
 * become events again and again. A log of its own stores this in the transaction of the shard's batch, so that an event
 * and the end of its waiting are one commit. The shard's thread alone calls it.
 */
export interface ShardScheduled {
  /** How many publishes wait, those of the open batch included. */
  readonly waiting: number;
  /**
   * When the first waiting publish is due, ms since 1970; `Infinity` if none waits. A damaged one that `due` has shown
   * does not count.
   * @throws BusError `STORE_FAILED`
   */
  readonly firstDue: number;

  /**
   * Keeps a publish with the open batch; opens a batch if there is none. The bytes of the record are copied. Like
   * `append`, it does not throw where the store fails: `commit` does.
   */
  put(bytes: Buffer, offset: number, times: WaitingTimes): void;

  /**
   * When the waiting publish is due that a record repeats, by the rule of `ShardLog.findDuplicate`; `undefined` if none
   * does. The open batch counts.
   * @throws BusError `STORE_FAILED`
   */
  find(bytes: Buffer, offset: number): number | undefined;

  /**
   * The publishes that are due at a time or earlier, in the order of their due times and, within one, of their
   * acceptance: at most `limit`, and fewer where their records are large. A damaged one is shown once, with its fault,
   * and then passed over until the log is opened again.
   * @throws BusError `STORE_FAILED`
   */
  due(until: number, limit: number): DuePublish[];

  /** Removes a publish with the open batch: it becomes an event in it, or was cancelled. */
  remove(number: number): void;

  /**
   * Waiting publishes behind a place, in the order of `due`: at most `limit`, and fewer where their records are large. A
   * damaged one has its fault.
   * @throws BusError `STORE_FAILED`
   */
  page(after: WaitingPlace, limit: number): DuePublish[];

  /** The same, of those with an id, on one topic or, if it is `undefined`, on any. @throws as `page` */
  withId(id: string, topic: string | undefined, after: WaitingPlace, limit: number): DuePublish[];

  /**
   * All sound schedules. Called once, before the first batch.
   * @param onDamage is told of each damaged one, by its name, and of damage that is no single one's
   * @throws BusError `STORE_FAILED`
   */
  schedules(onDamage: (reason: string, name?: string) => void): StoredSchedule[];
  /** Stores a schedule with the open batch, in the place of one of the same name. */
  putSchedule(schedule: StoredSchedule): void;
  /** With the open batch; does nothing where there is no such schedule. */
  removeSchedule(name: string): void;
}

export interface WaitingTimes {
  /** When the publish becomes an event, ms since 1970. */
  readonly dueAt: number;
  /** When it was accepted, ms since 1970. */
  readonly acceptedAt: number;
}

/** A place among waiting publishes: they are in the order of due times and, within one, of numbers. */
export interface WaitingPlace {
  readonly dueAt: number;
  readonly number: number;
}

/** The place before all waiting publishes. */
export const FIRST_WAITING: WaitingPlace = { dueAt: -1, number: 0 };

export interface WaitingPublish extends WaitingTimes {
  /** Ascends in the order of acceptance. */
  readonly number: number;
  /** The event's record, as it was published; its timestamp counts only if the publisher gave it. */
  readonly record: Buffer;
}

/** A waiting publish as its log finds it. */
export interface DuePublish extends WaitingPublish {
  /** What is wrong with its row: it becomes no event, and only its place is known. */
  readonly fault?: string;
}

/** A schedule, and how far it has been followed. */
export interface StoredSchedule {
  readonly name: string;
  /** Every due time up to this one is done with, ms since 1970. */
  readonly handledUntil: number;
  /** How many events it has become. */
  readonly fired: number;
  /** The due time of the last of them, ms since 1970; 0 if there is none. */
  readonly lastAt: number;
  /** What it is, as a text that the store does not look into. */
  readonly definition: string;
}
