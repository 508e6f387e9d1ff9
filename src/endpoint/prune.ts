/**
 * Serves `prune()`: removes events shard by shard, a bounded step at a time, so that publishing goes on between the
 * steps. The state is kept here and not in the shard, so that a restarted shard loses none of it.
 */
import { BusError } from '../protocol/errors.js';
import { SHARD_RESTARTS_MAX } from '../protocol/limits/shards.js';
import type { PruneResult } from '../protocol/operations.js';
import type { PruneRequest, PruneStep } from '../store/pruning.js';
import type { EndpointEnd } from './links/endpoint-end.js';
import type { ParsedPruneOptions } from './options.js';

type PrunedShard = Pick<EndpointEnd, 'call'>;

export async function pruneShards(
  shards: readonly PrunedShard[],
  options: ParsedPruneOptions,
): Promise<PruneResult> {
  let events = 0;
  let bytes = 0;
  for (const shard of shards) {
    for (let restarts = 0; ; restarts++) {
      try {
        for await (const step of stepsOf(shard, shards.length, options)) {
          events += step.events;
          bytes += step.bytes;
        }
        break;
      } catch (error) {
        // The shard may or may not have taken the last step: begins again with the events that are left.
        const isRestart = error instanceof BusError && error.code === 'SHARD_RESTARTED';
        if (!isRestart || restarts === SHARD_RESTARTS_MAX) throw error;
      }
    }
  }
  return { events, bytes };
}

async function* stepsOf(
  shard: PrunedShard,
  shards: number,
  options: ParsedPruneOptions,
): AsyncGenerator<PruneStep> {
  const { pattern, beforeMs, maxEvents, maxBytes, signal } = options;
  const needsTotals = maxEvents !== undefined || maxBytes !== undefined;
  const totals = needsTotals ? await shard.call('totals', () => ({ pattern })) : undefined;
  let excessEvents = excess(totals?.events, maxEvents, shards);
  let excessBytes = excess(totals?.bytes, maxBytes, shards);
  for (let after: number | undefined = 0; after !== undefined; ) {
    if (signal?.aborted) {
      throw new BusError('ABORTED', 'the removal was given up', { cause: signal.reason });
    }
    const request: PruneRequest = { pattern, beforeMs, excessEvents, excessBytes, after };
    const step: PruneStep = await shard.call('pruneStep', () => request);
    yield step;
    excessEvents = Math.max(0, excessEvents - step.events);
    excessBytes = Math.max(0, excessBytes - step.bytes);
    after = step.next;
  }
}

/** How far a shard's total exceeds its share of a limit: the limit is for the whole bus, in equal shares. */
function excess(total = 0, limit: number | undefined, shards: number): number {
  return limit === undefined ? 0 : Math.max(0, total - Math.ceil(limit / shards));
}
