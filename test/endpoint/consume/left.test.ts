import { expect, it } from 'vitest';
import { watch } from '../../bus/support/wait.js';
import { World } from './world.js';

it('a member that stops has left, though a thread died that was asked for its tokens', async () => {
  const world = new World(2);
  try {
    const run = world.consumer.run(() => {}, { concurrency: 2 });
    await world.rest();
    const stopped = watch(run.stop());
    // Neither thread has answered yet, and neither will.
    await world.replace(0);
    await world.replace(1);
    await world.rest();
    expect(stopped.settled).toBe(true);
  } finally {
    world.close();
  }
});
