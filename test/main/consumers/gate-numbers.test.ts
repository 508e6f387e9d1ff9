import { describe, expect, it } from 'vitest';
import { GateNumbers } from '../../../src/main/consumers/gate-numbers.js';
import { CONSUMERS_MAX } from '../../../src/protocol/limits/consumers.js';

describe('the places of consumers in shared memory', () => {
  it('stay the same, and go to another consumer only when they are released', () => {
    const gates = new GateNumbers();
    expect([gates.of('a'), gates.of('b'), gates.of('a')]).toEqual([0, 1, 0]);
    gates.release('a');
    gates.release('a');
    expect([gates.of('c'), gates.of('d'), gates.of('a')]).toEqual([0, 2, 3]);
  });

  it('stay within the memory', () => {
    const gates = new GateNumbers();
    const numbers = Array.from({ length: CONSUMERS_MAX + 2 }, (_, n) => gates.of(`${n}`));
    expect(Math.max(...numbers)).toBe(CONSUMERS_MAX - 1);
  });
});
