/**
 * The schedules of a bus, from any of its threads: lists come from the shards, changes go through the main thread. A
 * gateway has those of each client, on topics to which it may publish: for it there are no others.
 */
import {
  damagedSchedule,
  type ScheduleEntry,
  type SchedulesPage,
} from '../../link/schedule-calls.js';
import { BusError } from '../../protocol/errors.js';
import { SCHEDULE_NEXT_MAX } from '../../protocol/limits/schedules.js';
import { optionInvalid } from '../../protocol/options.js';
import { PatternSet } from '../../protocol/pattern-set.js';
import { quote } from '../../protocol/quote.js';
import {
  checkScheduleName,
  keptSchedule,
  parsedSchedule,
  scheduleText,
  topicOfSchedule,
} from '../../protocol/schedule-text.js';
import type { ScheduleInfo, ScheduleOptions, Schedules } from '../../protocol/schedules.js';
import { DueTimes } from '../../schedules/due-times.js';
import { type Asker, assertIsThere, ITSELF } from '../asker.js';
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
  /** null: those on all topics. */
  readonly #topics: readonly string[] | null;
  readonly #covered: PatternSet | undefined;
  readonly #asker: Asker;

  /**
   * @param topics patterns of the topics on which its schedules publish. Default: on any
   * @param asker in whose turns lists are read
   */
  constructor(host: SchedulesHost, topics: readonly string[] | null = null, asker: Asker = ITSELF) {
    this.#host = host;
    this.#asker = asker;
    this.#topics = topics;
    this.#covered = topics === null ? undefined : new PatternSet(topics);
  }

  async set<P>(name: string, options: ScheduleOptions<P>): Promise<ScheduleInfo> {
    const { main, source, maxPayloadBytes } = this.#host;
    this.#host.assertOpen();
    const kept = keptSchedule(name, options, source, maxPayloadBytes);
    if (DueTimes.of(kept).after(Date.now()) === undefined) {
      throw optionInvalid('schedules.set', 'cron', `${quote(kept.cron)} never comes`);
    }
    const request = { name, definition: scheduleText(kept), topics: this.#topics };
    return infoOf(await main.call('setSchedule', request));
  }

  async list(): Promise<ScheduleInfo[]> {
    this.#host.assertOpen();
    const { ends } = this.#host;
    const perShard = await Promise.all(ends.map((end) => schedulesOf(end, this.#asker)));
    const byName = new Map<string, ScheduleEntry>();
    for (const entry of perShard.flat()) {
      byName.set(entry.name, ofOneName(byName.get(entry.name), entry));
    }
    const mine = [...byName.values()].filter((entry) => this.#covers(entry));
    return mine.map(infoOf).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get(name: string): Promise<ScheduleInfo | undefined> {
    this.#host.assertOpen();
    checkScheduleName(name);
    const asked = await Promise.allSettled(
      this.#host.ends.map((end) => end.call('findSchedule', () => ({ name }))),
    );
    let found: ScheduleEntry | undefined;
    let damage: string | undefined;
    let failure: { readonly reason: unknown } | undefined;
    for (const answer of asked) {
      if (answer.status === 'rejected') failure ??= answer;
      else if (answer.value.schedule !== null) found = ofOneName(found, answer.value.schedule);
      else damage ??= answer.value.damage ?? undefined;
    }
    if (found !== undefined) return this.#covers(found) ? infoOf(found) : undefined;
    // A shard that was given up may have it.
    if (failure !== undefined) throw failure.reason;
    if (damage !== undefined && (this.#covered?.covers('*') ?? true)) throw damagedSchedule(damage);
    return undefined;
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
    this.#host.assertOpen();
    checkScheduleName(name);
    const request = { name, kind: 'delete', topics: this.#topics } as const;
    return (await this.#host.main.call('alterSchedule', request)).isFound;
  }

  async #alter(name: string, kind: 'pause' | 'resume'): Promise<ScheduleInfo> {
    this.#host.assertOpen();
    checkScheduleName(name);
    const request = { name, kind, topics: this.#topics };
    const { schedule } = await this.#host.main.call('alterSchedule', request);
    if (schedule === null) throw unknown(name);
    return infoOf(schedule);
  }

  #covers({ definition }: ScheduleEntry): boolean {
    return this.#covered?.covers(topicOfSchedule(definition)) ?? true;
  }
}

/** Of two entries of one name, of which one moves to the other's shard, the one that stands for the schedule. */
function ofOneName(one: ScheduleEntry | undefined, other: ScheduleEntry): ScheduleEntry {
  if (one === undefined || one.isMoved) return other;
  return one.isArriving && !other.isMoved ? other : one;
}

async function schedulesOf(end: EndpointEnd, asker: Asker): Promise<ScheduleEntry[]> {
  const found: ScheduleEntry[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const request: { readonly after: string } = { after };
    const page: SchedulesPage = await asker.readInTurn(0, () => {
      assertIsThere(asker);
      return end.call('shardSchedules', () => request);
    });
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
