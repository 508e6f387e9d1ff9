import { expect, test } from 'vitest';
import { Turn } from '../../src/handout/turn.js';
import { HAND_OUT_TURN_MS, TURN_LOOK_EVENTS_MAX } from '../../src/protocol/limits/endpoint.js';

/** Events that a turn takes by a clock that stands still but for them; each takes `msOf` its number. */
function eventsOfATurn(msOf: (event: number) => number, eventsMax = 10_000): number {
  let now = 0;
  const turn = new Turn(() => now);
  turn.begin();
  let events = 0;
  while (events < eventsMax && turn.hasTime()) now += msOf(events++);
  return events;
}

test('a turn takes one event, however long that takes', () => {
  expect(eventsOfATurn(() => 1000)).toBe(1);
});

test('a turn of slow events ends soon after its time is over', () => {
  for (const ms of [0.2, 0.5, 1, 2, 4]) {
    expect(eventsOfATurn(() => ms)).toBeLessThan(HAND_OUT_TURN_MS / ms + TURN_LOOK_EVENTS_MAX);
  }
});

test('a turn notices within a few events that they have become slow', () => {
  const fast = 1000;
  const taken = eventsOfATurn((event) => (event < fast ? 0 : 100));
  expect(taken).toBeLessThanOrEqual(fast + TURN_LOOK_EVENTS_MAX);
});

test('events that take no time are all taken', () => {
  expect(eventsOfATurn(() => 0)).toBe(10_000);
});

test('once a turn has no time left, it has none until the next turn begins', () => {
  let now = 0;
  const turn = new Turn(() => now);
  turn.begin();
  expect(turn.hasTime()).toBe(true);
  now = 1000;
  expect([turn.hasTime(), turn.hasTime(), turn.hasTime()]).toEqual([false, false, false]);
  expect(turn.hasEnded).toBe(true);
  turn.begin();
  expect([turn.hasEnded, turn.hasTime()]).toEqual([false, true]);
});
