import { afterEach, describe, expect, test } from 'vitest';
import type { Delivery } from '../../../src/protocol/consumers.js';
import { settled, World } from './world.js';

/** Pulls without `waitMs`, against shards whose turns the test chooses. */

let world: World | undefined;

afterEach(() => {
  world?.close();
  world = undefined;
});

const SHARDS = 4;

/** A consumer that has read what the shards have: so many events each. */
async function opened(events: readonly number[], options = {}): Promise<World> {
  world = new World(events.length, options);
  const topicsOf = (count: number) => Array.from({ length: count }, () => 'jobs.a');
  for (const [at, count] of events.entries()) world.shard(at).append(topicsOf(count));
  await world.rest();
  return world;
}

const shardsOf = (deliveries: readonly Delivery<number>[]) =>
  deliveries.map(({ event }) => event.shard);

async function answered(world: World, max: number) {
  const pulled = world.consumer.pull({ max });
  await world.rest();
  return pulled;
}

describe('a pull that waits for nothing', () => {
  test('asks each shard in turn first, so that none is left out for another that always has events', async () => {
    const world = await opened([9, 9, 9, 9]);
    const taken: (number | undefined)[] = [];
    for (let n = 0; n < 2 * SHARDS; n++) taken.push(...shardsOf(await answered(world, 1)));
    expect(taken).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  test('finds the one event that is there, and then none', async () => {
    for (let at = 0; at < SHARDS; at++) {
      const world = await opened([0, 1, 2, 3].map((one) => (one === at ? 1 : 0)));
      expect(shardsOf(await answered(world, 1))).toEqual([at]);
      expect(await answered(world, 1)).toEqual([]);
      world.close();
    }
  });

  test('finds an event that the consumer has not come to yet', async () => {
    const world = await opened([0, 0]);
    const others = Array.from({ length: 3000 }, () => 'others');
    world.shard(1).append([...others, 'jobs.a']);
    expect(shardsOf(await answered(world, 1))).toEqual([1]);
  });

  test('does not wait for a shard that does nothing, once it has all that it wants', async () => {
    const world = await opened([1, 0]);
    const pulled = world.consumer.pull({ max: 1 });
    world.shard(0).turn();
    await world.endpointTurn();
    await world.endpointTurn();
    expect(shardsOf(await pulled)).toEqual([0]);
  });

  test('goes on to a shard with events where another takes what the first had', async () => {
    const world = await opened([0, 1, 0, 1]);
    const [one, two] = [world.consumer.pull({ max: 1 }), world.consumer.pull({ max: 1 })];
    const three = world.consumer.pull({ max: 1 });
    await world.rest();
    const all = [...(await one), ...(await two), ...(await three)];
    expect(shardsOf(all).toSorted()).toEqual([1, 3]);
  });

  test('ends where a shard has events that it may not lease', async () => {
    // The shards of this world do not know of each other, so each may have one out.
    const world = await opened([2, 2], { maxInFlight: 1 });
    const first = [...(await answered(world, 1)), ...(await answered(world, 1))];
    expect(shardsOf(first)).toEqual([0, 1]);
    expect(await answered(world, 1)).toEqual([]);
  });

  test('ends where a shard is replaced while its tokens are called in', async () => {
    const world = await opened([0, 1, 1]);
    const pulled = world.consumer.pull({ max: 1 });
    for (const at of [0, 1, 2]) world.shard(at).turn();
    await world.endpointTurn();
    await world.replace(0);
    await world.rest();
    expect(await pulled).toHaveLength(1);
    await settled();
  });
});
