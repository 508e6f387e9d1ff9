import type { WatchedBus } from '../alerts/watched-bus.js';
import { ITSELF } from '../endpoint/asker.js';
import type { Endpoint } from '../endpoint/endpoint.js';
import { INTERNALS } from '../endpoint/internals.js';
import { ShardCounter } from '../link/shard-control.js';
import type { BusCore } from './bus-core.js';

/** The bus as its alerts see it, through the opener's own endpoint. */
export function watchedBus(core: BusCore, endpoint: Endpoint): WatchedBus {
  const { publishSystem, report, tally, lags, topicPages } = endpoint[INTERNALS];
  return {
    shards: core.controls.length,
    segments: core.shardSegments,
    tally,
    report,
    publish: publishSystem,
    shardFailure: (shard) => core.supervisors[shard]!.failure,
    lag: () => core.controls.reduce((sum, { counters }) => sum + counters[ShardCounter.lag]!, 0),
    laggards: lags,
    lastAt: async (pattern) => {
      let last: string | undefined;
      for await (const page of topicPages([pattern], ITSELF)) {
        for (const { lastAt } of page) if (last === undefined || lastAt > last) last = lastAt;
      }
      return last === undefined ? undefined : Date.parse(last);
    },
  };
}
