import { expect, test } from 'vitest';
import { TopicBook } from '../../../src/store/shared/topic-book.js';

function bookOf(...topics: string[]): TopicBook {
  const book = new TopicBook();
  for (const [index, topic] of topics.entries()) book.note(topic, index + 1, 100 + index);
  return book;
}

test('a topic book counts the events of each topic', () => {
  const book = bookOf('a', 'b', 'a');
  expect(book.get('a')).toEqual({
    name: 'a',
    events: 2,
    prunedThrough: 0,
    firstSequence: 1,
    lastSequence: 3,
    firstAt: 100,
    lastAt: 102,
  });
  expect(book.get('c')).toBeUndefined();
});

test('it names the topics that have lost some of their events, and empties those that lost all', () => {
  const book = bookOf('a', 'b', 'c', 'a', 'd');
  expect(book.prune(3, 5)).toEqual(['a']);
  expect(book.all.map(({ name, events, prunedThrough }) => [name, events, prunedThrough])).toEqual([
    ['a', 2, 3],
    ['b', 0, 2],
    ['c', 0, 3],
    ['d', 1, 0],
  ]);
  expect(book.prune(3, 5)).toEqual(['a']);
  book.set({ ...book.get('a')!, events: 1, firstSequence: 4, firstAt: 103 });
  expect(book.prune(3, 5)).toEqual([]);
});

test('a topic that was emptied begins anew with its next event', () => {
  const book = bookOf('a', 'a');
  book.prune(2, 2);
  book.note('a', 3, 200);
  expect(book.get('a')).toMatchObject({
    events: 1,
    firstSequence: 3,
    firstAt: 200,
    prunedThrough: 2,
  });
});

test('an event that the broker has counted already is not counted again', () => {
  const book = bookOf('a');
  book.set({ ...book.get('a')!, events: 3, lastSequence: 5 });
  for (const sequence of [3, 5, 6]) book.note('a', sequence, 200);
  expect(book.get('a')).toMatchObject({ events: 4, lastSequence: 6 });
});

test('any topic may have lost events that went before the book had noted them', () => {
  const book = bookOf('a', 'b');
  book.prune(2, 2);
  book.note('c', 3, 200);
  expect(book.prune(9, 3)).toEqual(['a', 'b', 'c']);
  expect(book.all.map(({ events, prunedThrough }) => [events, prunedThrough])).toEqual([
    [0, 9],
    [0, 9],
    [0, 9],
  ]);
});

test('it forgets the topics that were emptied first, beyond a number, and how far they may have reached', () => {
  const book = new TopicBook([], 0, 2);
  for (const [index, topic] of ['a', 'b', 'c', 'd'].entries()) book.note(topic, index + 1, 100);
  book.prune(2, 4);
  expect([book.all.length, book.forgottenThrough]).toEqual([4, 0]);
  book.prune(3, 4);
  expect(book.all.map(({ name }) => name)).toEqual(['b', 'c', 'd']);
  expect(book.forgottenThrough).toBe(1);
  // It may be the one that was forgotten.
  book.note('a', 5, 200);
  expect(book.get('a')).toMatchObject({ events: 1, firstSequence: 5, prunedThrough: 1 });
  const shown: string[] = [];
  let after = 0;
  do after = book.scan(after, 2, ({ name }) => shown.push(name));
  while (after !== 0);
  expect(shown).toEqual(['b', 'c', 'd', 'a']);
});

test('what it has noted since it asked is newer than the answer', () => {
  const book = bookOf('a', 'a', 'a');
  const question = book.ask(['a', 'b']);
  const answer = { ...book.get('a')!, events: 1, firstSequence: 3 };
  book.note('a', 4, 200);
  book.note('b', 5, 201);
  book.answer(question, ['a', 'b'], [answer]);
  expect(book.get('a')).toMatchObject({
    events: 2,
    firstSequence: 3,
    lastSequence: 4,
    lastAt: 200,
  });
  expect(book.get('b')).toMatchObject({ events: 1, firstSequence: 5, firstAt: 201 });
});

test('the answer to a later question counts, whenever it comes', () => {
  const book = bookOf('a', 'a', 'a');
  const old = { ...book.get('a')!, events: 2, firstSequence: 2 };
  const first = book.ask(['a']);
  const later = book.ask(['a']);
  book.answer(first, ['a'], [old]);
  expect(book.get('a')?.events).toBe(3);
  book.answer(later, ['a'], [{ ...old, events: 1, firstSequence: 3 }]);
  book.answer(first, ['a'], [old]);
  expect(book.get('a')).toMatchObject({ events: 1, firstSequence: 3 });
});

test('a topic that an answer leaves out has no events, and keeps what it has lost', () => {
  const book = bookOf('a', 'b');
  expect(book.lose(1)).toEqual(['a']);
  const question = book.ask(['a', 'unheard']);
  book.answer(question, ['a', 'unheard'], []);
  expect(book.get('a')).toMatchObject({ events: 0, prunedThrough: 1, lastSequence: 1 });
  expect(book.get('unheard')).toBeUndefined();
  const again = book.ask(['b']);
  book.answer(again, ['b'], [{ ...book.get('b')!, prunedThrough: 0 }]);
  expect(book.get('b')).toMatchObject({ events: 1, prunedThrough: 1 });
});
