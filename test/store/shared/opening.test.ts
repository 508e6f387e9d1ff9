import { expect, test } from 'vitest';
import { withinOpening } from '../../../src/store/shared/opening.js';

test('an opening that takes too long fails, names the servers, and lets go of what comes late', async () => {
  let resolve!: (opened: string) => void;
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  const given: unknown[] = [];
  const opening = withinOpening('natsStore: servers: a:1', promise, (late) => given.push(late), 10);
  await expect(opening).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message:
      'natsStore: servers: a:1: the store has not opened within 0.01 s: check that its servers answer',
  });
  resolve('late');
  await promise;
  expect(given).toEqual([undefined, 'late']);
});

test('an opening that fails by itself says why, and one in time is kept', async () => {
  const given: unknown[] = [];
  const giveUp = (late: unknown) => given.push(late);
  const failed = withinOpening('x', Promise.reject(new Error('no such stream')), giveUp);
  await expect(failed).rejects.toThrow('no such stream');
  expect(await withinOpening('x', Promise.resolve(7), giveUp)).toBe(7);
  expect(given).toEqual([]);
});
