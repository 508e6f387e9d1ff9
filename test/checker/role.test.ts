import { expect, it } from 'vitest';
import { Role } from '../../fuzz/checker/role.js';

/** A part whose second start fails, as it is killed meanwhile. */
class Struck extends Role {
  starts = 0;
  #end: () => void = () => {};
  #ended = Promise.resolve();

  override async start(): Promise<void> {
    const start = ++this.starts;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    if (start !== 2) return;
    this.kills++;
    this.#end();
    throw new Error('killed');
  }

  override async ended(): Promise<void> {
    return this.#ended;
  }

  override get isRunning(): boolean {
    return true;
  }

  override strike(): boolean {
    this.#end();
    return true;
  }
}

it('is said to run only after a start that was not killed', async () => {
  const role = new Struck('reader');
  await role.begin();
  role.strike();
  while (role.starts < 2) await Promise.resolve();
  await role.running;
  expect(role.starts).toBe(3);
  expect(role.problems).toEqual([]);
  role.letGo();
  role.strike();
});

it('is not said to run from the moment on at which it is killed', async () => {
  const role = new Struck('reader');
  await role.begin();
  role.kill();
  await role.running;
  expect(role.starts).toBe(3);
  role.letGo();
  role.kill();
  // Nobody waits for one that does not begin again.
  await role.running;
  expect(role.starts).toBe(3);
});
