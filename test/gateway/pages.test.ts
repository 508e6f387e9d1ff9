import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { eachInTurns, singly } from '../../src/gateway/pages.js';
import { WORK_PIECE_MS, WORK_SLICE_MS } from '../../src/protocol/limits/budgets.js';
import { type WorkShare, WorkShares } from '../../src/threads/work-shares.js';

// The clock moves where a test says so, and the event loop turns as it does.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Uses the items of a list, each of which takes so long. */
function list(work: WorkShare, name: string, ms: number, used: string[]): Promise<boolean> {
  const items = Array.from({ length: 10 }, (_, n) => `${name}${n}`);
  return eachInTurns(work, [items], (item) => {
    vi.advanceTimersByTime(ms);
    used.push(item);
    return undefined;
  });
}

test('many lists of one principal share its pieces, however many they are', async () => {
  const shares = new WorkShares();
  const [one, other] = [shares.part(), shares.part()];
  const used: string[] = [];
  const names = ['a', 'b', 'c'];
  other.charge(0);
  const lists = names.map((name) => list(one, name, WORK_PIECE_MS, used));
  const perTurn: number[] = [];
  while (used.length < 30) {
    const before = used.length;
    await turn();
    perTurn.push(used.length - before);
    other.charge(0);
  }
  expect(await Promise.all(lists)).toEqual([true, true, true]);
  // What begins has not been charged yet, and each list begins in the first turn.
  expect(Math.max(...perTurn.slice(1))).toBe(1);
  expect(
    names.map((name) => used.slice(0, 6).filter((item) => item.startsWith(name)).length),
  ).toEqual([2, 2, 2]);
});

test('what a list takes of the thread is charged to its principal', async () => {
  const shares = new WorkShares();
  const [one, other] = [shares.part(), shares.part()];
  other.charge(0);
  const used: string[] = [];
  const done = list(one, 'a', WORK_SLICE_MS, used);
  while (used.length === 0) await Promise.resolve();
  expect(one.isHeldUp).toBe(true);
  expect(await done).toBe(true);
});

test('a list goes on when its client has taken what was sent, and ends where it has gone', async () => {
  const work = new WorkShares().part();
  const used: number[] = [];
  const pages = (async function* () {
    yield [1, 2];
    yield [3];
  })();
  let answer: (isOpen: boolean) => void = () => {};
  const done = eachInTurns(work, pages, (item) => {
    used.push(item);
    return item === 2
      ? new Promise((resolve) => {
          answer = resolve;
        })
      : undefined;
  });
  while (used.length < 2) await turn();
  await turn();
  expect(used).toEqual([1, 2]);
  answer(false);
  expect(await done).toBe(false);
  expect(used).toEqual([1, 2]);
  expect(await pages.next()).toEqual({ done: true, value: undefined });
});

test('an error of a list ends it', async () => {
  const work = new WorkShares().part();
  const failing = (async function* () {
    yield 1;
    throw new Error('no more');
  })();
  await expect(eachInTurns(work, singly(failing), () => undefined)).rejects.toThrow('no more');
  const bad = eachInTurns(work, [[1]], () => {
    throw new Error('no text');
  });
  await expect(bad).rejects.toThrow('no text');
});
