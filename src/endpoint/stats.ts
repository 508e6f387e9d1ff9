/** Statistics, read from the shards' shared memory without a call to any shard. */
import {
  type BusCounters,
  GATEWAY_FAILED,
  GATEWAY_LISTENING,
  GATEWAY_RESTARTING,
  type GatewayCount,
} from '../link/bus-counters.js';
import { RESTARTS, type ShardControl, ShardCounter } from '../link/shard-control.js';
import type { ArchiveStats } from '../protocol/archive.js';
import type {
  BusStats,
  ConsumerTotals,
  GatewayStats,
  RetentionRule,
  ShardStats,
} from '../protocol/bus-api.js';
import { GATEWAY_STALLED_SECONDS } from '../protocol/limits/gateway.js';
import type { SinkList } from '../protocol/sink-figures.js';
import { elapsedMs } from '../threads/elapsed.js';
import type { DedupeReach } from './internals.js';

/** The control memory of the shards, and of where their consumers are served. */
export interface StatsControls {
  readonly controls: readonly ShardControl[];
  readonly desks: readonly ShardControl[];
}

export function busStats(
  epoch: string,
  openedAt: number,
  busCounters: BusCounters,
  { controls, desks }: StatsControls,
  retention: readonly RetentionRule[],
  sinks: SinkList,
): BusStats {
  const shards = controls.map(shardStats);
  const total = (of: (shard: ShardStats) => number): number =>
    shards.reduce((sum, shard) => sum + of(shard), 0);
  return {
    epoch,
    uptimeMs: Math.round(elapsedMs() - openedAt),
    published: total(({ published, ephemeral }) => published + ephemeral),
    delivered: total(({ delivered }) => delivered),
    dropped: total(({ dropped }) => dropped),
    subscriptions: busCounters.subscriptions,
    lag: total(({ lag }) => lag),
    consumers: consumerTotals(desks),
    scheduled: controls.reduce(
      (sum, { counters }) => sum + counters[ShardCounter.scheduledWaiting]!,
      0,
    ),
    requests: busCounters.requests,
    sinks,
    endpoints: busCounters.endpoints,
    connections: busCounters.connections,
    gateways: busCounters.gateways.map(gatewayStats),
    gatewayRestarts: busCounters.gatewayRestarts,
    retention,
    deliveryMs: busCounters.delivery,
    shards,
  };
}

function consumerTotals(controls: readonly ShardControl[]): ConsumerTotals {
  const each = (counter: number): number[] => controls.map(({ counters }) => counters[counter]!);
  const total = (counter: number): number => each(counter).reduce((sum, one) => sum + one, 0);
  return {
    // Every shard has all consumers.
    count: Math.max(...each(ShardCounter.consumers)),
    pending: total(ShardCounter.consumersPending),
    inFlight: total(ShardCounter.consumersInFlight),
    waiting: total(ShardCounter.consumersWaiting),
    dead: total(ShardCounter.consumersDead),
  };
}

/** Another one whenever what a consumer has to do may have changed. */
export function consumersMark(controls: readonly ShardControl[]): string {
  const { head, consumersPending, consumersInFlight, consumersWaiting, consumersDead } =
    ShardCounter;
  const counters = [head, consumersPending, consumersInFlight, consumersWaiting, consumersDead];
  return controls
    .map((control) => counters.map((counter) => control.counters[counter]).join(' '))
    .join(' ');
}

function gatewayStats(count: GatewayCount): GatewayStats {
  const { gateway, restarts } = count;
  return { gateway, state: gatewayState(count), restarts };
}

function gatewayState({ state, silentSeconds }: GatewayCount): GatewayStats['state'] {
  if (state === GATEWAY_RESTARTING) return 'restarting';
  if (state === GATEWAY_FAILED) return 'failed';
  if (state !== GATEWAY_LISTENING) return 'starting';
  return silentSeconds > GATEWAY_STALLED_SECONDS ? 'stalled' : 'listening';
}

export function dedupeReach(controls: readonly ShardControl[]): DedupeReach {
  const least = (counter: number): number =>
    controls.reduce(
      (ms, { counters }) => Math.min(ms, counters[counter]!),
      Number.POSITIVE_INFINITY,
    );
  return {
    windowMs: least(ShardCounter.dedupeWindowMs),
    reachMs: least(ShardCounter.dedupeReachMs),
  };
}

function archiveStats(of: (counter: keyof typeof ShardCounter) => number): ArchiveStats {
  const now = Date.now();
  const msSince = (at: number): number => (at === 0 ? 0 : Math.max(1, now - at));
  return {
    through: of('archiveThrough'),
    segments: of('archiveSegments'),
    bytes: of('archiveBytes'),
    events: of('archiveEvents'),
    waitingMs: msSince(of('archiveWaitsSince')),
    failingMs: msSince(of('archiveFailingSince')),
  };
}

function shardStats(control: ShardControl, shard: number): ShardStats {
  const { counters } = control;
  const of = (counter: keyof typeof ShardCounter): number => counters[ShardCounter[counter]]!;
  const commits = of('commits');
  const lifeMs = Math.max(0, elapsedMs() - of('startedAt'));
  return {
    shard,
    state: control.state,
    restarts: Atomics.load(control.words, RESTARTS),
    head: of('head'),
    published: of('published'),
    ephemeral: of('ephemeral'),
    duplicates: of('duplicates'),
    refused: of('refused'),
    expired: of('expired'),
    delivered: of('delivered'),
    dropped: of('dropped'),
    subscriptions: of('subscriptions'),
    lag: of('lag'),
    commits,
    commitMsMean: commits === 0 ? 0 : of('commitMsTotal') / commits,
    commitMsMax: of('commitMsMax'),
    commitMs: control.commitTimes,
    walBytes: of('walBytes'),
    payloadFiles: of('payloadFiles'),
    payloadFileBytes: of('payloadFileBytes'),
    unindexedEvents: of('unindexedEvents'),
    dedupeReachMs: of('dedupeReachMs'),
    clockAheadMs: of('clockAheadMs'),
    ...(of('archives') === 1 ? { archive: archiveStats(of) } : {}),
    publishRingFill: of('publishRingFill'),
    deliveryRingFill: of('deliveryRingFill'),
    upMs: Math.round(lifeMs),
    busy: lifeMs <= 0 ? 0 : Math.min(1, Math.max(0, 1 - of('parkedMs') / lifeMs)),
  };
}
