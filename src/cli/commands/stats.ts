import type { Command } from 'commander';
import type { BusStats, ShardStats } from '../../protocol/bus-api.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { writeLine } from '../output.js';
import { payloadFilesText } from '../payload-files.js';
import { readableBound } from '../percentiles.js';
import { Session } from '../session.js';
import { shardState } from '../shard-state.js';
import { sinkLines } from '../sink-lines.js';
import { type Cell, formatBytes, formatDuration, formatNumber, tableLines } from '../table.js';

/** `millrace stats`: prints a server's counters, in total and by shard. */

interface StatsOptions extends ServerSettings {
  json?: true;
}

export function addStatsCommand(program: Command): void {
  const command = program
    .command('stats')
    .description("print a server's counters, in total and by shard")
    .option('--json', 'everything, as one JSON object');
  addServerOptions(command);
  command.action(async () => {
    applyConfig(command);
    await printStats(command.opts<StatsOptions>());
  });
}

async function printStats(options: StatsOptions): Promise<void> {
  const session = await Session.open(options);
  try {
    const stats = await session.stats();
    if (options.json === true) writeLine(JSON.stringify(stats));
    else for (const line of statsLines(stats)) writeLine(line);
  } finally {
    session.close();
  }
}

function statsLines(stats: BusStats): string[] {
  const payloads = payloadFilesText(stats);
  const totals = [
    ['epoch', stats.epoch],
    ['up', formatDuration(stats.uptimeMs)],
    ['published', formatNumber(stats.published)],
    ['delivered', formatNumber(stats.delivered)],
    ['dropped', formatNumber(stats.dropped)],
    ['subscriptions', formatNumber(stats.subscriptions)],
    ['lag', formatNumber(stats.lag)],
    ['connections', formatNumber(stats.connections)],
    ['endpoints', formatNumber(stats.endpoints)],
    ['delivery p50', readableBound(stats.deliveryMs, 0.5)],
    ['delivery p99', readableBound(stats.deliveryMs, 0.99)],
    ...(payloads === undefined ? [] : [['payload files', payloads]]),
  ];
  return [
    ...totals.map(([name, value]) => `${name!.padEnd(14)} ${value}`),
    '',
    ...tableLines(SHARD_COLUMNS, stats.shards.map(shardCells)),
    ...(stats.sinks.count === 0 ? [] : ['', ...sinkLines(stats.sinks)]),
  ];
}

/** The columns of `shardCells`. Times are in ms; ring fills and busy are shares of 1. */
export const SHARD_COLUMNS = [
  'shard',
  'state',
  'head',
  'published',
  'delivered',
  'dropped',
  'lag',
  'commits',
  'commit ms',
  'max ms',
  'p99',
  'WAL',
  'ring in',
  'ring out',
  'busy',
  'restarts',
];

export function shardCells(shard: ShardStats): Cell[] {
  return [
    shard.shard,
    shardState(shard),
    shard.head,
    shard.published,
    shard.delivered,
    shard.dropped,
    shard.lag,
    shard.commits,
    shard.commitMsMean,
    shard.commitMsMax,
    readableBound(shard.commitMs, 0.99),
    formatBytes(shard.walBytes),
    shard.publishRingFill,
    shard.deliveryRingFill,
    shard.busy,
    shard.restarts,
  ];
}
