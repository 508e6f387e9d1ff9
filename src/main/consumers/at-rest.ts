import type { ConsumerDefinition } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import type { KeptConsumer } from '../../store/consumer-list.js';
import type { ConsumerBus } from './consumer-bus.js';

/**
 * By shard, how far the consumer has come, from where it may go on in another order. The shards lease it nothing
 * meanwhile, so no event beyond these positions is done.
 *
 * @param fields those that are to change
 * @throws BusError `CONSUMER_BUSY` if an event is open in any shard
 */
export async function positionsAtRest(
  bus: ConsumerBus,
  { id, name, positions }: KeptConsumer,
  fields: readonly (keyof ConsumerDefinition)[],
): Promise<number[]> {
  const reached = positions.map(async (began, shard) => {
    // A shard that was given up holds no event of the filter, and goes on from where it was.
    if (bus.shardFailure(shard) !== undefined) return began;
    const { isLevel, open, position } = await bus.stateOf(shard, id);
    if (isLevel) return position;
    const message = `consumer ${quote(name)} has open events, or is not level in all its priorities, in shard ${shard}, so its ${fields.join(' and ')} cannot change`;
    throw new BusError('CONSUMER_BUSY', message, {
      details: { consumer: name, fields, shard, open },
    });
  });
  return Promise.all(reached);
}
