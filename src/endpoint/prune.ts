/**
 * Removing events that somebody asked to remove: shard by shard, a bounded step at a time, so that publishing goes on
 * between the steps. The state is here and not in the shard: one that is restarted on the way loses nothing of it.
 */
import { BusError } from '../protocol/errors.js';
import { SHARD_RESTARTS_MAX } from '../protocol/limits.js';
import type { PruneRequest, PruneStep } from '../store/pruning.js';
import type { PruneResult } from './bus-endpoint.js';
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
        // Whether the last step was taken is not known; it is begun again with what there is now.
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

/** A limit is for the whole bus; each shard keeps an equal share of it. */
function excess(total = 0, limit: number | undefined, shards: number): number {
  return limit === undefined ? 0 : Math.max(0, total - Math.ceil(limit / shards));
}
