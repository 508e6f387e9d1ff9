import type { Endpoint } from '../endpoint/endpoint.js';
import { INTERNALS } from '../endpoint/internals.js';
import { shardsOf } from '../protocol/filter-shards.js';
import type { BusCore } from './bus-core.js';
import type { ConsumerBus } from './consumers/consumer-bus.js';

/** The bus as the board of its consumers sees it, through the opener's own endpoint. */
export function consumerBus(core: BusCore, endpoint: Endpoint): ConsumerBus {
  const { publishSystem, report, callShard, startPositions } = endpoint[INTERNALS];
  return {
    shardsOf: (filter) => shardsOf(filter, core.controls.length),
    shardFailure: (shard) => core.supervisors[shard]!.failure,
    startPositions,
    apply: (shard, entries) => callShard(shard, 'applyConsumers', () => ({ entries: entries() })),
    publish: publishSystem,
    report,
  };
}
