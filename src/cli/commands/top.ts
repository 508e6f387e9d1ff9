import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { BusStats, ShardStats, SubscriberInfo } from '../../protocol/bus-api.js';
import { countedSince } from '../../protocol/percentiles.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { styled, writeLine } from '../output.js';
import { payloadFilesText } from '../payload-files.js';
import { readableBound } from '../percentiles.js';
import { Screen } from '../screen.js';
import { Session } from '../session.js';
import { shardState } from '../shard-state.js';
import { ShutdownSignal } from '../shutdown.js';
import { sinkLines, sinkSummary } from '../sink-lines.js';
import { type Cell, formatBytes, formatDuration, formatNumber, tableLines } from '../table.js';
import { integerFrom, parseTimeout } from '../values.js';

/**
 * `millrace top`: shows what a server is doing now. On a terminal it redraws a view until `q` or Ctrl-C; elsewhere it
 * prints a line for each interval.
 */

const SLOW_SHOWN_MAX = 10;
const SINKS_SHOWN_MAX = 10;

interface TopOptions extends ServerSettings {
  /** Milliseconds. */
  interval: number;
  count?: number;
  json?: true;
}

export function addTopCommand(program: Command): void {
  const command = program
    .command('top')
    .description('watch rates, shards, lag and slow subscribers; press q to quit')
    .addOption(
      new Option('--interval <duration>', 'time between two refreshes')
        .default(1000, '1s')
        .argParser(parseTimeout),
    )
    .addOption(
      new Option('--count <n>', 'quit after this many refreshes').argParser(integerFrom(1)),
    )
    .option('--json', 'print each refresh as a line of JSON');
  addServerOptions(command);
  command.action(async () => {
    applyConfig(command);
    await top(command.opts<TopOptions>());
  });
}

async function top(options: TopOptions): Promise<void> {
  const signal = new ShutdownSignal();
  const session = await Session.open(options);
  const isLive = process.stdout.isTTY && options.json !== true;
  const screen = isLive ? new Screen() : undefined;
  const over = new AbortController();
  const ended = Promise.race([
    signal.received,
    session.lost,
    screen?.quit ?? new Promise<void>(() => {}),
  ]).finally(() => over.abort());
  ended.catch(() => {});
  try {
    await watch(session, options, screen, over.signal);
    if (over.signal.aborted) await ended;
  } finally {
    screen?.close();
    session.close();
    signal.dispose();
  }
}

async function watch(
  session: Session,
  { interval, count = Number.POSITIVE_INFINITY, json, server }: TopOptions,
  screen: Screen | undefined,
  over: AbortSignal,
): Promise<void> {
  let before: BusStats | undefined;
  for (let looks = 0; looks < count && !over.aborted; looks++) {
    const [stats, slow] = await Promise.all([session.stats(), slowSubscribers(session)]);
    const rates = ratesBetween(before, stats);
    const look: Look = { stats, before, rates, slow };
    before = stats;
    if (screen !== undefined) screen.draw(viewLines(server, look));
    else if (json === true) writeLine(JSON.stringify({ ...stats, rates, slow }));
    else writeLine(plainLine(stats, rates));
    if (looks + 1 < count) await delay(interval, undefined, { signal: over }).catch(() => {});
  }
}

/** The subscribers that lag or have dropped events. */
async function slowSubscribers(session: Session): Promise<SubscriberInfo[]> {
  const subscribers = await session.slowestSubscribers();
  return subscribers.filter(({ lag, dropped }) => lag > 0 || dropped > 0);
}

interface Rates {
  /** Events per second since the previous look; 0 in the first. */
  readonly published: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly commits: number;
  /** Published per second, by shard. */
  readonly byShard: readonly number[];
}

function ratesBetween(before: BusStats | undefined, now: BusStats): Rates {
  const seconds = before === undefined ? 0 : (now.uptimeMs - before.uptimeMs) / 1000;
  const rate = (later: number, earlier: number | undefined) =>
    seconds > 0 && earlier !== undefined ? Math.max(0, (later - earlier) / seconds) : 0;
  return {
    published: rate(now.published, before?.published),
    delivered: rate(now.delivered, before?.delivered),
    dropped: rate(now.dropped, before?.dropped),
    commits: rate(sumOfCommits(now), before && sumOfCommits(before)),
    byShard: now.shards.map((shard, i) => rate(shard.published, before?.shards[i]?.published)),
  };
}

function sumOfCommits({ shards }: BusStats): number {
  return shards.reduce((sum, { commits }) => sum + commits, 0);
}

function plainLine(stats: BusStats, rates: Rates): string {
  const { subscriptions, lag, dropped } = stats;
  const [published, delivered] = [rates.published, rates.delivered].map(formatNumber);
  const counts = [subscriptions, lag, dropped].map(formatNumber);
  const { count, pending, dead } = stats.consumers;
  const jobs =
    count === 0
      ? ''
      : `  consumers ${formatNumber(count)}  pending ${formatNumber(pending)}  dead ${formatNumber(dead)}`;
  const { sinks } = stats;
  const payloads = payloadFilesText(stats);
  const files = payloads === undefined ? '' : `  payload files ${payloads}`;
  const served = sinks.count === 0 ? '' : `  sinks ${sinkSummary(sinks)}`;
  return (
    `${new Date().toISOString()}  published ${published}/s  delivered ${delivered}/s  ` +
    `subscriptions ${counts[0]}  lag ${counts[1]}  dropped ${counts[2]}${jobs}${served}${files}`
  );
}

/** Everything that one refresh shows. */
interface Look {
  readonly stats: BusStats;
  readonly before: BusStats | undefined;
  readonly rates: Rates;
  readonly slow: readonly SubscriberInfo[];
}

function viewLines(server: string, { stats, before, rates, slow }: Look): string[] {
  const title = `millrace ${server}  up ${formatDuration(stats.uptimeMs)}  epoch ${stats.epoch}`;
  const totals: (readonly [string, number, number?])[] = [
    ['published', stats.published, rates.published],
    ['delivered', stats.delivered, rates.delivered],
    ['dropped', stats.dropped, rates.dropped],
    ['commits', sumOfCommits(stats), rates.commits],
    ['subscriptions', stats.subscriptions],
    ['lag', stats.lag],
    ['connections', stats.connections],
    ['endpoints', stats.endpoints],
  ];
  const delivery = countedSince(stats.deliveryMs, before?.deliveryMs);
  const [p50, p99] = [0.5, 0.99].map((share) => readableBound(delivery, share));
  const [header, ...rows] = tableLines(
    [
      'shard',
      'state',
      'published/s',
      'head',
      'lag',
      'dropped',
      'commit ms',
      'p99',
      'WAL',
      'ring in',
      'ring out',
      'busy',
    ],
    stats.shards.map((shard, i) => shardRow(shard, before?.shards[i], rates.byShard[i]!)),
  );
  return [
    styled('bold', title),
    '',
    ...totals.map(([name, total, rate]) => totalLine(name, total, rate)),
    ...consumerLines(stats),
    ...payloadLines(stats),
    `delivery      p50 ${p50}  p99 ${p99}`,
    '',
    styled('dim', header!),
    ...rows.map((row, i) => shardLine(row, stats.shards[i]!)),
    '',
    ...slowLines(slow),
    ...(stats.sinks.count === 0 ? [] : [...sinkLines(stats.sinks, SINKS_SHOWN_MAX), '']),
    styled('dim', 'q quits'),
  ];
}

/** Nothing on a bus without durable consumers. */
function consumerLines({ consumers }: BusStats): string[] {
  if (consumers.count === 0) return [];
  const { pending, inFlight, waiting, dead } = consumers;
  const counts = Object.entries({ pending, 'in flight': inFlight, waiting, dead });
  const about = counts.map(([name, count]) => `${name} ${formatNumber(count)}`).join('  ');
  return [`${totalLine('consumers', consumers.count, undefined)}  ${about}`];
}

/** Nothing on a bus without payloads in files. */
function payloadLines(stats: BusStats): string[] {
  const text = payloadFilesText(stats);
  return text === undefined ? [] : [`${'payload files'.padEnd(14)}${text.padStart(16)}`];
}

function slowLines(slow: readonly SubscriberInfo[]): string[] {
  if (slow.length === 0) return [styled('green', 'every subscriber keeps up'), ''];
  const [header, ...rows] = tableLines(
    ['slow subscriber', 'endpoint', 'mode', 'overflow', 'lag', 'queued', 'dropped', 'topics'],
    slow
      .slice(0, SLOW_SHOWN_MAX)
      .map((one) => [
        one.name ?? one.id,
        one.endpoint,
        one.mode,
        one.overflow,
        one.lag,
        one.queued,
        one.dropped,
        one.topics.join(' '),
      ]),
  );
  return [styled('dim', header!), ...rows.map((row) => styled('yellow', row)), ''];
}

function totalLine(name: string, total: number, rate: number | undefined): string {
  const perSecond = rate === undefined ? '' : `${formatNumber(rate)}/s`;
  return `${name.padEnd(14)}${formatNumber(total).padStart(16)}${perSecond.padStart(16)}`;
}

function shardRow(shard: ShardStats, before: ShardStats | undefined, rate: number): Cell[] {
  const { head, lag, dropped, commitMsMean } = shard;
  const shares = [shard.publishRingFill, shard.deliveryRingFill, shard.busy].map(percent);
  const p99 = readableBound(countedSince(shard.commitMs, before?.commitMs), 0.99);
  const wal = formatBytes(shard.walBytes);
  const counts = [Math.round(rate), head, lag, dropped, commitMsMean];
  return [shard.shard, shardState(shard), ...counts, p99, wal, ...shares];
}

function shardLine(line: string, { state }: ShardStats): string {
  if (state === 'running') return line;
  return styled(state === 'failed' ? 'red' : 'yellow', line);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`.padStart(5);
}
