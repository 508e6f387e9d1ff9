/** What a consumer takes of the memory that shards share, and how shards wake each other. */
import { describe, expect, it } from 'vitest';
import { bellsOf, countsOf, createGates, keyWordsOf } from '../../../../src/link/consumer-gates.js';
import type { ConsumerOrder } from '../../../../src/protocol/consumers.js';
import { ConsumerGates } from '../../../../src/shards/consumers/gates/consumer-gates.js';
import { GateBell } from '../../../../src/shards/consumers/gates/gate-bell.js';
import { KeyGates } from '../../../../src/shards/consumers/gates/key-gates.js';
import { entryOf } from '../rig.js';

/** Two shards of a bus with one consumer. */
function twoShards(order: ConsumerOrder = 'source') {
  const memory = createGates();
  const woken: number[] = [];
  const shards = [0, 1].map((shard) => {
    const bell = new GateBell(bellsOf(memory), shard, (other) => woken.push(other));
    const keys = new KeyGates(keyWordsOf(memory), shard, bell.ring);
    keys.restored();
    keys.stored();
    const gates = new ConsumerGates(entryOf({ order }), { memory, shard, keys, bell }, 0);
    const store = () => {
      keys.stored();
      return gates;
    };
    const handed = () => keys.handed(0).flatMap((word) => [...gates.handed(word)]);
    return { gates, keys, bell, store, handed };
  });
  const [one, two] = shards as [(typeof shards)[0], (typeof shards)[0]];
  const wordsOut = () => keyWordsOf(memory).filter((word) => word !== 0).length;
  return { memory, woken, one, two, wordsOut };
}

describe('the keys of a consumer', () => {
  it('are out in one shard; the other one hears of the events that have waited', () => {
    const { one, two, woken } = twoShards();
    expect(one.gates.take('k', 1, 0)).toBe(true);
    expect([two.gates.take('k', 2, 0), two.gates.take('k', 4, 0)]).toEqual([false, false]);
    expect(two.gates.take('other', 6, 0)).toBe(true);
    expect(two.handed()).toEqual([]);
    one.gates.free('k');
    expect(woken).toEqual([]);
    one.store();
    expect([woken, two.bell.hear(), one.bell.hear()]).toEqual([[1], true, false]);
    expect(two.handed()).toEqual([2, 4]);
    expect(two.gates.take('k', 2, 0)).toBe(true);
    expect(one.gates.take('k', 3, 0)).toBe(false);
  });

  it('are handed with those events that have not got them meanwhile', () => {
    const { one, two } = twoShards();
    one.gates.take('k', 1, 0);
    two.gates.take('k', 2, 0);
    two.gates.take('k', 4, 0);
    one.gates.free('k');
    one.store();
    const word = two.keys.wordOf('c1', 'k');
    expect(two.gates.take('k', 2, 0)).toBe(true);
    expect([...two.gates.handed(word)]).toEqual([4]);
    expect([...two.gates.handed(word)]).toEqual([]);
    two.gates.take('k', 4, 0);
    two.gates.free('k');
    two.gates.free('k');
    two.store();
    one.gates.take('k', 1, 0);
    expect(two.gates.take('k', 6, 0)).toBe(false);
    one.gates.free('k');
    one.store();
    expect(two.gates.take('k', 6, 0)).toBe(true);
    expect([...two.gates.handed(word)]).toEqual([]);
  });

  it('that are kept from before are out as well', () => {
    const { one, two } = twoShards();
    one.gates.keep('k');
    expect(two.gates.take('k', 2, 0)).toBe(false);
    one.gates.free('k');
    one.store();
    expect(two.gates.take('k', 2, 0)).toBe(true);
  });

  it.each(['none', 'topic'] as const)('are none with the order %s', (order) => {
    const { one, two, wordsOut } = twoShards(order);
    expect(one.gates.take('k', 1, 0)).toBe(true);
    one.gates.keep('k');
    expect(two.gates.take('k', 2, 0)).toBe(true);
    expect(wordsOut()).toBe(0);
    // What is freed was never taken.
    one.gates.change(entryOf({ order: 'source' }));
    one.gates.take('k', 3, 0);
    one.gates.change(entryOf({ order }));
    one.gates.free('k');
    one.store();
    expect(wordsOut()).toBe(1);
  });

  it('are none for an event without one', () => {
    const { one, two, wordsOut } = twoShards();
    expect([one.gates.take(undefined, 1, 0), two.gates.take(undefined, 2, 0)]).toEqual([
      true,
      true,
    ]);
    expect(wordsOut()).toBe(0);
  });

  it('have words of their own for each consumer', () => {
    const { one } = twoShards();
    expect(one.keys.wordOf('c1', 'k')).not.toBe(one.keys.wordOf('c2', 'k'));
  });
});

describe('the places of a consumer', () => {
  it('are its own row of the memory, with the leases of before', () => {
    const { memory, one } = twoShards();
    const { keys, bell } = one;
    new ConsumerGates(entryOf({}, { gate: 3 }), { memory, shard: 0, keys, bell }, 5);
    expect([...countsOf(memory, 3)].slice(0, 2)).toEqual([5, 0]);
    expect([...countsOf(memory, 0)].slice(0, 2)).toEqual([0, 0]);
  });

  it('ring for a shard that waits for them', () => {
    const { one, two, woken } = twoShards();
    expect(one.gates.inFlight.room(2, 0, 2, 0)).toBe(2);
    expect(two.gates.inFlight.room(1, 0, 2, 0)).toBe(0);
    one.gates.inFlight.stored(0);
    expect([woken, two.bell.hasRung]).toEqual([[1], true]);
  });
});

describe('the bell of a shard', () => {
  it('says once that it was rung, however often, also before anyone listens', () => {
    const words = new Int32Array(new SharedArrayBuffer(8));
    words[1] = 9;
    const woken: number[] = [];
    const [one, two] = [0, 1].map((shard) => new GateBell(words, shard, (of) => woken.push(of)));
    expect([two!.hasRung, two!.hear()]).toEqual([false, false]);
    one!.ring(1);
    one!.ring(1);
    expect([two!.hasRung, one!.hasRung, woken]).toEqual([true, false, [1, 1]]);
    expect([two!.hear(), two!.hear(), two!.hasRung]).toEqual([true, false, false]);
  });
});
