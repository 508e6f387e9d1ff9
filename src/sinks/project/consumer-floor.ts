import type { Consumer, ConsumerInfo } from '../../protocol/consumers.js';
import { CONSUMER_PAGE_MAX } from '../../protocol/limits/consumers.js';
import { PROJECT_NAMED_MAX } from '../../protocol/limits/sinks.js';
import type { Settled } from './position.js';

/**
 * What a consumer has done for good: the floor of each shard, up to which every event of its filter is done or dead, and
 * its dead events, which may be redriven. The dead are asked for between two looks at the floors: one that is redriven
 * meanwhile is open at the second look, and holds the floor below itself. If the numbers of the dead differ, some died
 * meanwhile, and no floor is told; the next time will do.
 */
export async function settledOf(
  consumer: Consumer,
): Promise<{ settled: Settled | undefined; info: ConsumerInfo }> {
  const before = await consumer.info();
  const dead = await deadOf(consumer, before.dead);
  const info = await consumer.info();
  if (dead === undefined || info.dead !== before.dead || info.epoch !== before.epoch) {
    return { settled: undefined, info };
  }
  const floors = new Map(
    info.shards.map(({ shard, floor }, at) => [shard, Math.min(floor, before.shards[at]!.floor)]),
  );
  return { settled: { floors, dead }, info };
}

/** By shard; `undefined` if there are more than a position may name. */
async function deadOf(
  consumer: Consumer,
  expected: number,
): Promise<Map<number, Set<number>> | undefined> {
  const dead = new Map<number, Set<number>>();
  if (expected === 0) return dead;
  if (expected > PROJECT_NAMED_MAX) return undefined;
  let after: string | undefined;
  do {
    const page = await consumer.dead({
      limit: CONSUMER_PAGE_MAX,
      ...(after === undefined ? {} : { after }),
    });
    for (const { shard, sequence } of page.events) {
      dead.set(shard, (dead.get(shard) ?? new Set()).add(sequence));
    }
    after = page.next;
  } while (after !== undefined);
  return dead;
}
