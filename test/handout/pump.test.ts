import { expect, test } from 'vitest';
import { Pump, type Supply } from '../../src/handout/pump.js';

/** Numbers in a row. */
class Row implements Supply<number> {
  readonly waiting = [1, 2, 3];

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  advance = (): boolean => !this.isEmpty;
  take = (): number => this.waiting.shift()!;
  settle = (): void => {};
  abandon = (): void => {};
}

test('a call of next made when there is time is not answered before an earlier one made when there was none', async () => {
  let isTime = false;
  const turns = { hasTime: () => isTime, postpone: () => {} };
  const pump = new Pump(new Row(), undefined, turns, () => {});
  const first = pump.next();
  isTime = true;
  const second = pump.next();
  pump.flush();
  const results = await Promise.all([first, second]);
  expect(results.map(({ value }) => value)).toEqual([1, 2]);
});
