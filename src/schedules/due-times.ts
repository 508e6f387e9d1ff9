/**
 * The due times of a schedule, from its definition alone: no clock, no I/O. Cron expressions are read by `croner`; see
 * docs/adr/0064 for what a change of the clock in a time zone does to them.
 */
import { Cron } from 'croner';
import { optionInvalid } from '../protocol/options.js';
import { quote } from '../protocol/quote.js';
import type { KeptSchedule } from '../protocol/schedule-text.js';
import { messageOf } from '../protocol/thrown.js';

export type Rhythm = Pick<KeptSchedule, 'cron' | 'timeZone' | 'everyMs' | 'anchor'>;

/** The last time that a `Date` in RFC 3339 has. */
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');
const SECOND_MS = 1000;

export abstract class DueTimes {
  /** The first due time after this one, ms since 1970; `undefined`: there is none. */
  abstract after(ms: number): number | undefined;
  /** The last due times that are not after this one, at most so many, in order. */
  abstract until(ms: number, count: number): number[];

  /** @throws BusError `OPTION_INVALID` for a cron expression or a time zone that is none */
  static of({ cron, timeZone, everyMs, anchor = 0 }: Rhythm): DueTimes {
    if (cron !== undefined) return new CronTimes(cron, timeZone ?? 'UTC');
    return new IntervalTimes(everyMs!, anchor);
  }

  /** As many due times after this one as there are, at most `count`. */
  next(ms: number, count: number): number[] {
    const times: number[] = [];
    let at = this.after(ms);
    while (at !== undefined && times.length < count) {
      times.push(at);
      at = this.after(at);
    }
    return times;
  }
}

class IntervalTimes extends DueTimes {
  readonly #every: number;
  readonly #anchor: number;

  constructor(every: number, anchor: number) {
    super();
    this.#every = every;
    this.#anchor = anchor;
  }

  after(ms: number): number | undefined {
    const at = this.#atOrBefore(ms) + this.#every;
    return at > LATEST_MS ? undefined : at;
  }

  until(ms: number, count: number): number[] {
    const last = this.#atOrBefore(ms);
    return Array.from({ length: count }, (_, back) => last - (count - 1 - back) * this.#every);
  }

  #atOrBefore(ms: number): number {
    return this.#anchor + Math.floor((ms - this.#anchor) / this.#every) * this.#every;
  }
}

class CronTimes extends DueTimes {
  readonly #cron: Cron;

  constructor(pattern: string, timeZone: string) {
    super();
    const fields = pattern.trim().split(/\s+/).length;
    const isNickname = /^@[a-z]+$/i.test(pattern.trim());
    if (!isNickname && fields !== 5 && fields !== 6) {
      const message = `${quote(pattern)} has ${fields} fields, and should have 5, or 6 with seconds in front`;
      throw optionInvalid('schedules.set', 'cron', message);
    }
    try {
      this.#cron = new Cron(pattern.trim(), { timezone: timeZone, paused: true });
      // Only a calculation meets the time zone.
      this.#cron.nextRun(new Date(0));
    } catch (error) {
      const isOfZone = !isTimeZone(timeZone);
      const fault = isOfZone
        ? `${quote(timeZone)} is no time zone of the IANA database`
        : `${quote(pattern)} is no cron expression: ${messageOf(error)}`;
      throw optionInvalid('schedules.set', isOfZone ? 'timeZone' : 'cron', fault);
    }
  }

  after(ms: number): number | undefined {
    return this.#cron.nextRun(new Date(ms))?.getTime();
  }

  until(ms: number, count: number): number[] {
    // The reference itself does not count for `croner`, which counts in seconds.
    const reference = new Date(Math.floor(ms / SECOND_MS) * SECOND_MS + SECOND_MS);
    const times = this.#cron.previousRuns(count, reference).map((run) => run.getTime());
    return times.filter((at) => at <= ms).reverse();
  }
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}
