import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Position } from '../../../src/sinks/project/position.js';

/**
 * A position against a plain list. Events of one shard come in any order, die, are redriven, and come again late; floors
 * are told as a consumer has them, at times as they were a while ago. The position has to know each event that was
 * applied, and none that may still have to be.
 */
type State = 'open' | 'applied' | 'dead';

const moves = fc.array(
  fc.record({
    kind: fc.constantFrom('apply', 'die', 'redrive', 'settle', 'store'),
    at: fc.nat(29),
  }),
  { maxLength: 120 },
);

function floorOf(states: readonly State[]): number {
  const open = states.indexOf('open');
  return open < 0 ? states.length : open;
}

function play(list: readonly { kind: string; at: number }[]): void {
  let position = new Position('e');
  const states: State[] = Array.from({ length: 30 }, () => 'open');
  for (const { kind, at } of list) {
    const sequence = at + 1;
    if (kind === 'apply' && states[at] === 'open') {
      position.add(3, sequence);
      states[at] = 'applied';
    }
    if (kind === 'die' && states[at] === 'open') states[at] = 'dead';
    if (kind === 'redrive' && states[at] === 'dead') states[at] = 'open';
    if (kind === 'settle') {
      const dead = new Set(states.flatMap((state, n) => (state === 'dead' ? [n + 1] : [])));
      position.settle({ floors: new Map([[3, floorOf(states)]]), dead: new Map([[3, dead]]) });
    }
    if (kind === 'store') position = Position.parse(position.text);
    const known = states.map((_, n) => position.has(3, n + 1));
    expect(known).toEqual(states.map((state) => state === 'applied'));
  }
}

describe('the position of a projection', () => {
  it('knows what was applied, and nothing else', () => {
    fc.assert(fc.property(moves, play), { numRuns: 2000 });
  });

  it('names no more than what is beyond the floor, and what is dead', () => {
    const position = new Position('e');
    for (let sequence = 1; sequence <= 1000; sequence++) position.add(0, sequence);
    expect(position.size).toBe(1000);
    position.settle({ floors: new Map([[0, 990]]), dead: new Map([[0, new Set([5, 980])]]) });
    expect(position.size).toBe(10);
    expect(position.has(0, 5)).toBe(true);
    expect(position.has(1, 5)).toBe(false);
  });

  it('takes a lower floor for none, so that an event before it does not count as new', () => {
    const position = new Position('e');
    position.settle({ floors: new Map([[0, 10]]), dead: new Map() });
    position.settle({ floors: new Map([[0, 2]]), dead: new Map() });
    expect(position.has(0, 7)).toBe(true);
  });

  it('refuses a text that is none', () => {
    for (const text of ['', '{}', '{"version":2}', 'null']) {
      expect(() => Position.parse(text)).toThrow('the stored position of the projection is none');
    }
  });
});
