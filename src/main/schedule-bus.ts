import type { Endpoint } from '../endpoint/endpoint.js';
import { INTERNALS } from '../endpoint/internals.js';
import { shardOf } from '../protocol/topic-hash.js';
import type { BusCore } from './bus-core.js';
import type { ScheduleBus } from './schedules/schedule-board.js';

/** The bus as the board of its schedules sees it, through the opener's own endpoint. */
export function scheduleBus(core: BusCore, endpoint: Endpoint): ScheduleBus {
  const { report, callShard } = endpoint[INTERNALS];
  return {
    shards: core.controls.length,
    shardOf: (topic) => shardOf(topic, core.controls.length, core.shardSegments),
    stores: (topic) => core.stores(topic),
    validate: (topic, payload) => core.validate(topic, payload),
    shardFailure: (shard) => core.supervisors[shard]!.failure,
    call: callShard,
    report,
  };
}
