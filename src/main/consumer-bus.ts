import type { Endpoint } from '../endpoint/endpoint.js';
import { INTERNALS } from '../endpoint/internals.js';
import { BusError } from '../protocol/errors.js';
import { shardsOf } from '../protocol/filter-shards.js';
import type { BusCore } from './bus-core.js';
import type { ConsumerBus } from './consumers/consumer-bus.js';

/** The bus as the board of its consumers sees it, through the opener's own endpoint. */
export function consumerBus(core: BusCore, endpoint: Endpoint): ConsumerBus {
  const { publishSystem, report, callDesk, startPositions } = endpoint[INTERNALS];
  return {
    shardsOf: (filter) =>
      shardsOf(filter, { shards: core.controls.length, segments: core.shardSegments }),
    shardFailure: (shard) => core.desks[shard]!.failure,
    startPositions,
    stores: (topic) => core.stores(topic),
    apply: (shard, entries) => callDesk(shard, 'applyConsumers', () => ({ entries: entries() })),
    stateOf: (shard, consumer) => callDesk(shard, 'consumerState', () => ({ consumer })),
    publish: publishSystem,
    report,
    shards: core.controls.length,
    takeLetters: async (shard, limit, except) => {
      const { letters } = await callDesk(shard, 'takeLetters', () => ({ limit, except }));
      return letters;
    },
    lettersSent: (shard, sent, kept) => callDesk(shard, 'lettersSent', () => ({ sent, kept })),
    publishLetter: async (input) => {
      if (!core.stores(input.topic)) {
        throw new BusError('OPTION_INVALID', `the bus does not store events of ${input.topic}`);
      }
      await endpoint.publish(input, { persist: true });
    },
  };
}
