import type { WatchedBus, WatchedConsumer } from '../alerts/watched-bus.js';
import { ITSELF } from '../endpoint/asker.js';
import type { Endpoint } from '../endpoint/endpoint.js';
import { INTERNALS } from '../endpoint/internals.js';
import { ShardCounter } from '../link/shard-control.js';
import type { ConsumerInfo } from '../protocol/consumers.js';
import { BusError } from '../protocol/errors.js';
import type { BusCore } from './bus-core.js';

/** The bus as its alerts see it, through the opener's own endpoint. */
export function watchedBus(core: BusCore, endpoint: Endpoint): WatchedBus {
  const { publishSystem, report, tally, lags, topicPages, consumers } = endpoint[INTERNALS];
  return {
    shards: core.controls.length,
    segments: core.shardSegments,
    tally,
    report,
    publish: publishSystem,
    shardFailure: (shard) => core.supervisors[shard]!.failure,
    lag: () => core.controls.reduce((sum, { counters }) => sum + counters[ShardCounter.lag]!, 0),
    laggards: lags,
    consumers: async (names) => {
      const listed = await core.consumers.list(names);
      const asked = listed.map((consumer) =>
        consumers.info(consumer).then(watchedConsumer, unknownAsNone),
      );
      return (await Promise.all(asked)).filter((found) => found !== undefined);
    },
    lastAt: async (pattern) => {
      let last: string | undefined;
      for await (const page of topicPages([pattern], ITSELF)) {
        for (const { lastAt } of page) if (last === undefined || lastAt > last) last = lastAt;
      }
      return last === undefined ? undefined : Date.parse(last);
    },
  };
}

function watchedConsumer(info: ConsumerInfo): WatchedConsumer {
  const { name, pending, inFlight, oldestAgeMs, dead, blocked } = info;
  return { name, pending, inFlight, oldestAgeMs, dead, isBlocked: blocked !== undefined };
}

/** One that was deleted since it was listed. @throws every other failure */
function unknownAsNone(error: unknown): undefined {
  if (error instanceof BusError && error.code === 'CONSUMER_UNKNOWN') return undefined;
  throw error;
}
