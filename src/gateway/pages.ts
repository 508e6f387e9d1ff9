import { WORK_PIECE_MS } from '../protocol/limits/budgets.js';
import type { Budget } from './budget/budget.js';

/** A principal's part of the thread's time. */
export type Work = Pick<Budget['work'], 'inTurn' | 'inNextTurn'>;

/** A list of any length, in parts. All of a part is taken before the next one is asked for. */
export type Pages<T> = AsyncIterable<Iterable<T>> | Iterable<Iterable<T>>;

/** A list whose items come one by one. */
export async function* singly<T>(items: AsyncIterable<T>): AsyncGenerator<readonly [T]> {
  for await (const item of items) yield [item];
}

/**
 * Calls `use` with each item of a list in the turns of a principal, a few at a time: a thousand items take milliseconds,
 * and others wait meanwhile. Where `use` returns a promise, the list goes on when that has resolved, and ends if it
 * resolves to false.
 *
 * @returns whether all items were used
 */
export async function eachInTurns<T>(
  work: Work,
  pages: Pages<T>,
  use: (item: T) => Promise<boolean> | undefined,
): Promise<boolean> {
  /** What the list has taken of the thread since others last had a turn. */
  let spentMs = 0;
  for await (const page of pages) {
    const items = page[Symbol.iterator]();
    for (let isOver = false; !isOver; ) {
      let pause: Promise<boolean> | undefined;
      const piece = (): void => {
        const began = performance.now();
        do {
          const item = items.next();
          isOver = item.done === true;
          if (item.done !== true) pause = use(item.value);
        } while (!isOver && pause === undefined && performance.now() - began < WORK_PIECE_MS);
        spentMs += performance.now() - began;
      };
      if (spentMs < WORK_PIECE_MS) await work.inTurn(piece);
      else {
        spentMs = 0;
        await work.inNextTurn(piece);
      }
      if (pause !== undefined && !(await pause)) return false;
    }
  }
  return true;
}
