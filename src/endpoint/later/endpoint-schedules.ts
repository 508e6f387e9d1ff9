/** The schedules of a bus, from any of its threads: lists come from the shards, changes go through the main thread. */
import type { ScheduleEntry, SchedulesPage } from '../../link/schedule-calls.js';
import { BusError } from '../../protocol/errors.js';
import { SCHEDULE_NEXT_MAX } from '../../protocol/limits/schedules.js';
import { optionInvalid } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import {
  checkScheduleName,
  keptSchedule,
  parsedSchedule,
  scheduleText,
} from '../../protocol/schedule-text.js';
import type { ScheduleInfo, ScheduleOptions, Schedules } from '../../protocol/schedules.js';
import { DueTimes } from '../../schedules/due-times.js';
import type { EndpointEnd } from '../links/endpoint-end.js';
import type { MainThread } from '../main-thread.js';

/** The part of an endpoint that its schedules need. */
export interface SchedulesHost {
  readonly ends: readonly EndpointEnd[];
  readonly main: MainThread;
  readonly source: string;
  readonly maxPayloadBytes: number;
  assertOpen(): void;
}

const NEXT_DEFAULT = 5;

export class EndpointSchedules implements Schedules {
  readonly #host: SchedulesHost;

  constructor(host: SchedulesHost) {
    this.#host = host;
  }

  async set<P>(name: string, options: ScheduleOptions<P>): Promise<ScheduleInfo> {
    const { main, source, maxPayloadBytes } = this.#host;
    this.#host.assertOpen();
    const kept = keptSchedule(name, options, source, maxPayloadBytes);
    if (DueTimes.of(kept).after(Date.now()) === undefined) {
      throw optionInvalid('schedules.set', 'cron', `${quote(kept.cron)} never comes`);
    }
    return infoOf(await main.call('setSchedule', { name, definition: scheduleText(kept) }));
  }

  async list(): Promise<ScheduleInfo[]> {
    this.#host.assertOpen();
    const perShard = await Promise.all(this.#host.ends.map(schedulesOf));
    const all = perShard.flat().filter(({ isArriving }) => !isArriving);
    return all.map(infoOf).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get(name: string): Promise<ScheduleInfo | undefined> {
    this.#host.assertOpen();
    checkScheduleName(name);
    const found = await Promise.all(
      this.#host.ends.map((end) => end.call('findSchedule', () => ({ name }))),
    );
    const entries = found.flatMap(({ schedule }) => schedule ?? []);
    const entry = entries.find(({ isArriving }) => !isArriving);
    return entry && infoOf(entry);
  }

  async next(name: string, count = NEXT_DEFAULT): Promise<string[]> {
    if (!Number.isSafeInteger(count) || count < 1 || count > SCHEDULE_NEXT_MAX) {
      const message = `has to be a whole number from 1 to ${SCHEDULE_NEXT_MAX}, not ${quote(count)}`;
      throw optionInvalid('schedules.next', 'count', message);
    }
    const info = await this.get(name);
    if (info === undefined) throw unknown(name);
    const { cron, timeZone, everyMs, anchor } = info;
    const rhythm =
      cron === undefined
        ? { everyMs: everyMs!, anchor: Date.parse(anchor!) }
        : { cron, timeZone: timeZone! };
    const times = DueTimes.of(rhythm).next(Date.now(), count);
    return times.map((at) => new Date(at).toISOString());
  }

  pause(name: string): Promise<ScheduleInfo> {
    return this.#alter(name, 'pause');
  }

  resume(name: string): Promise<ScheduleInfo> {
    return this.#alter(name, 'resume');
  }

  async delete(name: string): Promise<boolean> {
    if ((await this.get(name)) === undefined) return false;
    await this.#host.main.call('alterSchedule', { name, kind: 'delete' });
    return true;
  }

  async #alter(name: string, kind: 'pause' | 'resume'): Promise<ScheduleInfo> {
    this.#host.assertOpen();
    checkScheduleName(name);
    const { schedule } = await this.#host.main.call('alterSchedule', { name, kind });
    if (schedule === null) throw unknown(name);
    return infoOf(schedule);
  }
}

async function schedulesOf(end: EndpointEnd): Promise<ScheduleEntry[]> {
  const found: ScheduleEntry[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const request: { readonly after: string } = { after };
    const page: SchedulesPage = await end.call('shardSchedules', () => request);
    found.push(...page.schedules);
    after = page.next;
  }
  return found;
}

function infoOf(entry: ScheduleEntry): ScheduleInfo {
  const { name, shard, isPaused, fired, lastAt, nextAt } = entry;
  const { anchor, event, missed, ...rhythm } = parsedSchedule(entry.definition);
  return {
    name,
    ...rhythm,
    ...(anchor === undefined ? {} : { anchor: new Date(anchor).toISOString() }),
    event,
    missed,
    isPaused,
    shard,
    fired,
    ...(lastAt === 0 ? {} : { lastAt: new Date(lastAt).toISOString() }),
    ...(nextAt === null ? {} : { nextAt: new Date(nextAt).toISOString() }),
  };
}

function unknown(name: string): BusError {
  const message = `there is no schedule ${quote(name)}`;
  return new BusError('SCHEDULE_UNKNOWN', message, { details: { name } });
}
