import { afterEach, expect, test } from 'vitest';
import { ClientConsumers } from '../../../src/endpoint/consume/client-consumers.js';
import { World } from './world.js';

/** Pulls for clients of a gateway, whose turns the test chooses. */

let world: World;

afterEach(() => world.close());

const turns: (() => void)[] = [];

function inTurn<T>(work: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve) => turns.push(() => resolve(work())));
}

test('each stage of a pull is done in a turn of its principal', async () => {
  world = new World(2, {});
  for (const at of [0, 1]) world.shard(at).append(['jobs.a']);
  await world.rest();
  const client = { principal: 'mallory' };
  const request = { max: 4, waitMs: 0, client, signal: new AbortController().signal, inTurn };
  const consumers = new ClientConsumers(world.host);
  const members = (): number => world.members.all().length;

  const pulled = consumers.pull(world.entry, request);
  await world.rest();
  // Joins the shards and asks them, calls its tokens in, and takes what has come.
  for (const _ of ['ask', 'collect', 'take']) {
    expect(turns).toHaveLength(1);
    turns.shift()!();
    await world.rest();
    expect(members()).toBe(1);
  }
  const { deliveries, leave } = await pulled;
  expect(deliveries.map(({ event }) => event.shard).sort()).toEqual([0, 1]);
  leave();
  await world.rest();
  expect(members()).toBe(1);
  expect(turns).toHaveLength(1);
  turns.shift()!();
  await world.rest();
  expect(members()).toBe(0);
});
