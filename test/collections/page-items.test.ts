import { expect, test } from 'vitest';
import { PageItems } from '../../src/collections/page-items.js';

function pagesOf(pages: readonly (readonly number[])[], end: () => void = () => {}) {
  return (async function* () {
    try {
      for (const page of pages) yield page;
      end();
    } finally {
      closed.push('closed');
    }
  })();
}

let closed: string[] = [];

test('the items of all pages come one by one, in order', async () => {
  closed = [];
  const items: number[] = [];
  for await (const item of new PageItems(pagesOf([[1, 2], [], [3], []]))) items.push(item);
  expect(items).toEqual([1, 2, 3]);
  expect(closed).toEqual(['closed']);
});

test('calls that do not wait for each other get their answers in order, as of an async generator', async () => {
  const items = new PageItems(pagesOf([[1, 2], [3]]));
  const answers = await Promise.all(Array.from({ length: 5 }, () => items.next()));
  expect(answers.map(({ value }) => value)).toEqual([1, 2, 3, undefined, undefined]);
  expect(answers.map(({ done }) => done)).toEqual([false, false, false, true, true]);
});

test('a loop that is left ends the pages', async () => {
  closed = [];
  const items = new PageItems(pagesOf([[1, 2], [3]]));
  for await (const _ of items) break;
  expect(closed).toEqual(['closed']);
  expect(await items.next()).toEqual({ done: true, value: undefined });
});

test('an end that is asked for amid a page that is being read waits for it', async () => {
  closed = [];
  const items = new PageItems(pagesOf([[1], [2]]));
  const [first, end, after] = await Promise.all([items.next(), items.return(), items.next()]);
  expect([first.value, end.done, after.done]).toEqual([1, true, true]);
  expect(closed).toEqual(['closed']);
});

test('an error of the pages, or within one, is thrown once', async () => {
  const failing = new PageItems(
    pagesOf([[1]], () => {
      throw new Error('lost');
    }),
  );
  expect((await failing.next()).value).toBe(1);
  await expect(failing.next()).rejects.toThrow('lost');
  expect(await failing.next()).toEqual({ done: true, value: undefined });

  closed = [];
  function* page() {
    yield 1;
    throw new Error('damaged');
  }
  const damaged = new PageItems(
    (async function* () {
      try {
        yield page();
      } finally {
        closed.push('closed');
      }
    })(),
  );
  expect((await damaged.next()).value).toBe(1);
  await expect(damaged.next()).rejects.toThrow('damaged');
  expect(closed).toEqual(['closed']);
  expect(await damaged.next()).toEqual({ done: true, value: undefined });
});
