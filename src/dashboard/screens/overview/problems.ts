import type {
  AlertInfo,
  BusStats,
  ConsumerInfo,
  ShardStats,
  SubscriberInfo,
} from 'millrace/client';
import { bytes, clock, compact, counted, duration } from '../../text/format.js';
import { consumerProblems } from './consumer-problems.js';
import { type FigureBook, lately, mean } from './figure-book.js';
import { type Problem, type Severity, worstFirst } from './problem.js';
import { sinkProblems } from './sink-problems.js';

/** The faults of the bus in words. Pure. */

/** An alert that fires. */
export type FiringAlert = Pick<AlertInfo, 'name' | 'text' | 'severity' | 'since'>;

/** A subscription. */
export type Reader = Pick<SubscriberInfo, 'id' | 'name' | 'topics' | 'mode' | 'lag' | 'lagMs'>;

export interface Situation {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Since when the page has no connection; `undefined` while it has one. */
  readonly lostAt: number | undefined;
  readonly stats: BusStats | undefined;
  readonly figures: FigureBook;
  readonly subscribers: readonly Reader[];
  readonly consumers: readonly ConsumerInfo[];
  readonly alerts: readonly FiringAlert[];
  /** Why the alerts are not known, or do not watch; `undefined` where they do. */
  readonly alertsFault?: string | undefined;
  /** The time for which the server was told to know ids; `undefined` where it does not say. */
  readonly dedupeWindowMs: number | undefined;
}

/** A thread that was started again within this time still counts as a problem. */
const RECENT_MS = 600_000;
/** Refusals and drops within this time. */
const LATELY_MS = 60_000;
/** A ring counts as nearly full if it was over the bound at each of the samples of this time. */
const RING_MS = 6000;
const RING_FULL = 0.8;
/** A shard cuts its log back to this size when it can. */
const WAL_BYTES = 64 * 2 ** 20;
const BEHIND_EVENTS = 1000;
const BEHIND_MS = 10_000;
/** The server lists at most the 100 that are furthest behind. */
const LISTED_MAX = 100;
/** How many subscriptions are named. */
const NAMED_MAX = 3;
const CLOCK_AHEAD_MS = 1000;

/** The worst first; of the same severity, in the order of the checks. */
export function problemsOf(situation: Situation): Problem[] {
  const found = [
    ...connectionProblems(situation),
    ...alertProblems(situation),
    ...(situation.stats?.shards ?? []).flatMap(stateProblems),
    ...gatewayProblems(situation),
    ...storeProblems(situation),
    ...ringProblems(situation),
    ...subscriptionProblems(situation),
    ...consumerProblems(situation.consumers),
    ...sinkProblems(situation.stats?.sinks, situation.consumers, situation.now),
    ...timeProblems(situation),
  ];
  return worstFirst(found);
}

function connectionProblems({ lostAt, now }: Situation): Problem[] {
  if (lostAt === undefined) return [];
  const since = `since ${clock(lostAt).slice(0, 8)}`;
  const ms = duration(Math.max(1000, now - lostAt));
  return [
    shown('bad', `This page has no connection to the server ${since} (${ms}).`, 'connection'),
  ];
}

function alertProblems({ alerts, alertsFault, now }: Situation): Problem[] {
  const unwatched: Problem[] =
    alertsFault === undefined
      ? []
      : [{ severity: 'bad', text: alertsFault, link: { screen: 'alerts', parameters: {} } }];
  const fires = alerts.map(({ name, text, severity, since }) => {
    const time =
      since === undefined ? '' : `, for ${duration(Math.max(0, now - Date.parse(since)))}`;
    return {
      severity: severity === 'critical' ? 'bad' : severity,
      text: `Alert ${name} fires: ${text}${time}.`,
      link: { screen: 'alerts', parameters: { alert: name } },
    } satisfies Problem;
  });
  return [...unwatched, ...fires];
}

function stateProblems(stats: ShardStats): Problem[] {
  const { shard, state, restarts, upMs } = stats;
  switch (state) {
    case 'failed':
      return [
        shown(
          'bad',
          `Shard ${shard} has failed and was given up after ${counted(restarts, 'restart')}: its topics take and deliver no events.`,
          'shards',
        ),
      ];
    case 'stopped':
      return [shown('bad', `Shard ${shard} has stopped.`, 'shards')];
    case 'restarting':
      return [
        shown(
          'bad',
          `Shard ${shard} has failed and is starting again (restart ${restarts}).`,
          'shards',
        ),
      ];
    case 'starting':
      return [shown('warning', `Shard ${shard} is starting.`, 'shards')];
    case 'running':
      if (restarts === 0 || upMs >= RECENT_MS) return [];
      return [
        shown(
          'warning',
          `Shard ${shard} failed and was started again ${duration(upMs)} ago; ${counted(restarts, 'restart')} so far.`,
          'shards',
        ),
      ];
  }
}

function gatewayProblems({ stats }: Situation): Problem[] {
  return (stats?.gateways ?? []).flatMap(({ gateway, state, restarts }) => {
    switch (state) {
      case 'failed':
        return [
          shown(
            'bad',
            `Gateway ${gateway} has failed and was given up after ${counted(restarts, 'restart')}.`,
            'gateways',
          ),
        ];
      case 'restarting':
        return [
          shown('warning', `Gateway ${gateway} has failed and is starting again.`, 'gateways'),
        ];
      case 'stalled':
        return [shown('bad', `Gateway ${gateway} is stalled: it answers no request.`, 'gateways')];
      default:
        return [];
    }
  });
}

function storeProblems({ stats, figures }: Situation): Problem[] {
  const refused = mean(lately(figures, LATELY_MS), ({ refusedPerSecond }) => refusedPerSecond);
  const shards = stats?.shards ?? [];
  return [
    ...(refused > 0
      ? [
          shown(
            'bad',
            `The store is full: it refused ${rate(refused)} over the last minute.`,
            'rates',
          ),
        ]
      : []),
    ...worst(
      shards,
      ({ walBytes }) => walBytes,
      (size) => size > WAL_BYTES,
      (size, which) =>
        `The write-ahead log of ${which} holds ${bytes(size)}: a slow disk, a backup or another reader keeps it from the shard's file.`,
    ),
  ];
}

function ringProblems({ figures }: Situation): Problem[] {
  const samples = lately(figures, RING_MS);
  const shards = (samples.at(-1)?.shards ?? []).map((_, shard) => {
    const least = (of: 'publishRingFill' | 'deliveryRingFill'): number =>
      Math.min(...samples.map(({ shards }) => shards[shard]?.[of] ?? 0));
    return { shard, publish: least('publishRingFill'), delivery: least('deliveryRingFill') };
  });
  const isFull = (fill: number): boolean => fill >= RING_FULL;
  const percent = (fill: number): string => `${Math.floor(fill * 100)} % full`;
  return [
    ...worst(
      shards,
      ({ publish }) => publish,
      isFull,
      (fill, which) =>
        `A publish ring of ${which} is ${percent(fill)}: publishers wait for the shard.`,
    ),
    ...worst(
      shards,
      ({ delivery }) => delivery,
      isFull,
      (fill, which) =>
        `A delivery ring of ${which} is ${percent(fill)}: a thread with subscriptions does not keep up.`,
    ),
  ];
}

function subscriptionProblems({ subscribers, figures }: Situation): Problem[] {
  const behind = subscribers
    .filter((one) => one.mode !== 'replaying' && isBehind(one))
    .sort((a, b) => b.lag - a.lag);
  const problems = behind.slice(0, NAMED_MAX).map((one) => {
    const time = one.lagMs === undefined || one.lagMs === 0 ? '' : ` (${duration(one.lagMs)})`;
    return subscription(
      `Subscription ${one.name ?? one.id} to ${one.topics.join(', ')} is ${counted(one.lag, 'event')}${time} behind.`,
    );
  });
  if (behind.length > NAMED_MAX) {
    const more = behind.length - NAMED_MAX;
    const least = behind.length < LISTED_MAX ? '' : 'At least ';
    const are = more === 1 ? 'is' : 'are';
    problems.push(subscription(`${least}${counted(more, 'more subscription')} ${are} behind.`));
  }
  const dropped = mean(lately(figures, LATELY_MS), ({ droppedPerSecond }) => droppedPerSecond);
  if (dropped > 0) {
    const text = `Subscriptions that do not keep up dropped ${rate(dropped)} over the last minute.`;
    problems.push(subscription(text, 'dropped'));
  }
  return problems;
}

function isBehind({ lag, lagMs = 0 }: Reader): boolean {
  return lag > BEHIND_EVENTS || (lag > 0 && lagMs > BEHIND_MS);
}

function subscription(text: string, sort = 'lag'): Problem {
  return {
    severity: 'warning',
    text,
    link: { screen: 'subscribers', parameters: { sort: `-${sort}` } },
  };
}

function timeProblems({ stats, dedupeWindowMs = 0 }: Situation): Problem[] {
  const shards = stats?.shards ?? [];
  return [
    ...worst(
      shards,
      ({ clockAheadMs }) => clockAheadMs,
      (ms) => ms > CLOCK_AHEAD_MS,
      (ms, which) =>
        `The system clock was set back: the times that ${which} records are ${duration(ms)} ahead of it.`,
    ),
    ...worst(
      shards,
      ({ dedupeReachMs }) => dedupeWindowMs - dedupeReachMs,
      (short) => short > 0,
      (short, which) =>
        `So many ids come that ${which} knows only those of the last ${duration(dedupeWindowMs - short)}, not of ${duration(dedupeWindowMs)}: a publish repeated later is stored twice.`,
    ),
  ];
}

/** One problem about the shard with the largest value, if that is one; the others are counted. */
function worst<T extends { readonly shard: number }>(
  shards: readonly T[],
  amountOf: (shard: T) => number,
  isProblem: (value: number) => boolean,
  textOf: (value: number, which: string) => string,
): Problem[] {
  const concerned = shards
    .filter((one) => isProblem(amountOf(one)))
    .sort((a, b) => amountOf(b) - amountOf(a));
  const [first] = concerned;
  if (first === undefined) return [];
  const others = concerned.length - 1;
  const more = others === 0 ? '' : ` (and of ${counted(others, 'other shard')})`;
  return [shown('warning', textOf(amountOf(first), `shard ${first.shard}${more}`), 'shards')];
}

/** A problem that a part of the overview itself shows. */
function shown(severity: Severity, text: string, part: string): Problem {
  return { severity, text, link: { screen: 'overview', parameters: { show: part } } };
}

function rate(perSecond: number): string {
  return `${compact(perSecond)} events/s`;
}
