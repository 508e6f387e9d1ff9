/** Words of keys: what is kept, freed, handed on and forgotten, one rule at a time. */
import { describe, expect, it } from 'vitest';
import { KEY_WAITING_SHIFT } from '../../../../src/link/consumer-gates.js';
import { GATE_RETRY_MS, GATE_WAIT_MS } from '../../../../src/protocol/limits/consumers.js';
import { SHARDS_MAX } from '../../../../src/protocol/limits/shards.js';
import { KeyGates } from '../../../../src/shards/consumers/gates/key-gates.js';

const holds = (shard: number): number => shard + 1;
const waits = (...shards: number[]): number =>
  shards.reduce((all, shard) => all | (1 << (KEY_WAITING_SHIFT + shard)), 0);

/** The gates of a shard, which know all leases of before, among words that the test sets. */
function gatesOf(shard: number, values: readonly number[] = [], isOver = true) {
  const words = new Int32Array(new SharedArrayBuffer(4 * 8));
  words.set(values);
  const rung: number[] = [];
  const gates = new KeyGates(words, shard, (other) => rung.push(other));
  if (isOver) {
    gates.restored();
    gates.stored();
  }
  return { gates, words, rung };
}

describe('the words of keys', () => {
  it('have no wait of a dead thread any more, and all others', () => {
    const { words } = gatesOf(1, [holds(0) + waits(1, 2), waits(1), waits(0)], false);
    expect([...words].slice(0, 3)).toEqual([holds(0) + waits(2), 0, waits(0)]);
  });

  it('are given up by the next thread of a shard where none of its leases has them', () => {
    const { gates, words, rung } = gatesOf(1, [holds(1), holds(1) + waits(3), holds(2)], false);
    gates.keep(0);
    gates.stored();
    expect([...words].slice(0, 3)).toEqual([holds(1), holds(1) + waits(3), holds(2)]);
    gates.restored();
    gates.stored();
    expect([...words].slice(0, 3)).toEqual([holds(1), holds(3) + waits(3), holds(2)]);
    expect(rung).toEqual([3]);
  });

  it('are given up once: what is handed to the shard later stays, however often leases are known', () => {
    const { gates, words } = gatesOf(1, [holds(0)]);
    gates.take(0, 0);
    words[0] = holds(1) + waits(1);
    gates.restored();
    gates.stored();
    expect(words[0]).toBe(holds(1) + waits(1));
  });

  it('that are freed before the leases of before are known are given up afterwards', () => {
    const { gates, words } = gatesOf(1, [0], false);
    gates.take(0, 0);
    gates.free(0);
    gates.stored();
    expect(words[0]).toBe(holds(1));
    gates.restored();
    gates.stored();
    expect(words[0]).toBe(0);
  });

  it('stay while another lease has them', () => {
    const { gates, words } = gatesOf(1);
    expect([gates.take(0, 0), gates.take(0, 0)]).toEqual([true, true]);
    gates.free(0);
    gates.stored();
    expect(words[0]).toBe(holds(1));
    gates.free(0);
    expect(words[0]).toBe(holds(1));
    gates.stored();
    expect(words[0]).toBe(0);
    // Freed, and taken once more before that is stored.
    gates.take(0, 0);
    gates.free(0);
    gates.take(0, 0);
    gates.stored();
    expect(words[0]).toBe(holds(1));
  });

  it('are kept beside those that wait, and left to another shard that has them', () => {
    const { gates, words } = gatesOf(1, [waits(2), holds(0)], false);
    gates.keep(0);
    gates.keep(1);
    expect([...words].slice(0, 2)).toEqual([holds(1) + waits(2), holds(0)]);
    gates.free(1);
    gates.restored();
    gates.stored();
    expect([...words].slice(0, 2)).toEqual([holds(1) + waits(2), holds(0)]);
  });

  it.each([
    [[3], 3],
    [[0], 0],
    [[0, 1], 0],
    [[1, 3, 0], 3],
    [[SHARDS_MAX - 1, 0], SHARDS_MAX - 1],
  ])('go to the next shard that waits, round and round: %j', (those, next) => {
    const { gates, words, rung } = gatesOf(2);
    gates.take(0, 0);
    words[0] = holds(2) + waits(...those);
    gates.free(0);
    gates.stored();
    expect([words[0], rung]).toEqual([holds(next) + waits(...those), [next]]);
  });

  it('are taken with no word of an own wait left', () => {
    const { gates, words } = gatesOf(1, [holds(0)]);
    expect(gates.take(0, 0)).toBe(false);
    expect(words[0]).toBe(holds(0) + waits(1));
    words[0] = waits(1, 3);
    expect(gates.take(0, 0)).toBe(true);
    expect([words[0], gates.nextDue]).toEqual([holds(1) + waits(3), Number.POSITIVE_INFINITY]);
  });

  it('are forgotten when they are due, each for itself', () => {
    const { gates, words } = gatesOf(1, [holds(0), holds(0)]);
    gates.take(0, 10);
    gates.take(1, 5);
    const due = 5 + 4 * GATE_WAIT_MS;
    expect(gates.nextDue).toBe(due);
    gates.forget(due - 1);
    expect([...words].slice(0, 2)).toEqual([holds(0) + waits(1), holds(0) + waits(1)]);
    gates.forget(due);
    expect([...words].slice(0, 2)).toEqual([holds(0) + waits(1), holds(0)]);
    expect(gates.nextDue).toBe(due + 5);
    // One that was handed to it is due sooner, and never later than it was.
    words[0] = holds(1) + waits(1);
    expect(gates.handed(due)).toEqual([0]);
    expect(gates.nextDue).toBe(Math.min(due + 5, due + 4 * GATE_RETRY_MS));
    gates.forget(due + 4 * GATE_RETRY_MS);
    expect(words[0]).toBe(0);
  });

  it('are not given up with a wait while a lease has them, or may have', () => {
    const { gates, words } = gatesOf(1);
    gates.take(0, 0);
    words[0] = holds(1) + waits(2);
    gates.free(0);
    // Another shard waits, so this one has to wait as well.
    expect(gates.take(0, 0)).toBe(false);
    gates.forget(4 * GATE_WAIT_MS);
    expect(words[0]).toBe(holds(1) + waits(2));
    gates.stored();
    expect(words[0]).toBe(holds(2) + waits(2));
    const early = gatesOf(1, [holds(0)], false);
    early.gates.take(0, 0);
    early.words[0] = holds(1) + waits(1, 3);
    early.gates.forget(4 * GATE_WAIT_MS);
    expect(early.words[0]).toBe(holds(1) + waits(3));
  });
});
