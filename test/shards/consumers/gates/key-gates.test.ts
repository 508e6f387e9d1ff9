import { describe, expect, it } from 'vitest';
import {
  clearShard,
  countsOf,
  createGates,
  keyWordsOf,
} from '../../../../src/link/consumer-gates.js';
import { GATE_RETRY_MS, GATE_WAIT_MS } from '../../../../src/protocol/limits/consumers.js';
import { KeyGates } from '../../../../src/shards/consumers/gates/key-gates.js';

function shards() {
  const words = keyWordsOf(createGates());
  const rung: string[] = [];
  const all = [0, 1, 2].map(
    (shard) => new KeyGates(words, shard, (other) => rung.push(`${other} by ${shard}`)),
  );
  for (const one of all) {
    one.restored();
    one.stored();
  }
  const [one, two, three] = all as [KeyGates, KeyGates, KeyGates];
  return { words, rung, one, two, three, word: one.wordOf('mailer', 'customer-1') };
}

describe('the keys that shards have out', () => {
  it('belong to one shard until the end of the lease is stored', () => {
    const { one, two, word } = shards();
    expect([one.take(word, 0), two.take(word, 0)]).toEqual([true, false]);
    one.free(word);
    expect(two.take(word, 0)).toBe(false);
    one.stored();
    expect([two.take(word, 0), one.take(word, 0)]).toEqual([true, false]);
  });

  it('go to the shards that wait, in turn, before they come to one again', () => {
    const { one, two, three, word } = shards();
    const order: string[] = [];
    const all = { one, two, three };
    one.take(word, 0);
    for (let round = 0; round < 9; round++) {
      for (const [name, shard] of Object.entries(all)) {
        if (!shard.take(word, round)) continue;
        order.push(name);
        shard.free(word);
        shard.stored();
      }
      one.free(word);
      one.stored();
    }
    const counts = Object.keys(all).map((name) => order.filter((one) => one === name).length);
    expect(Math.min(...counts)).toBeGreaterThan(1);
  });

  it('are taken again in the turn in which they were freed if nobody waits', () => {
    const { one, two, word } = shards();
    one.take(word, 0);
    one.free(word);
    expect(one.take(word, 0)).toBe(true);
    two.take(word, 0);
    one.free(word);
    expect(one.take(word, 0)).toBe(false);
  });

  it('stay with a dead thread until its successor knows its leases', () => {
    const { words, one, two, word } = shards();
    const other = one.wordOf('mailer', 'customer-2');
    one.take(word, 0);
    one.take(other, 0);
    const next = new KeyGates(words, 0, () => {});
    next.keep(word);
    next.stored();
    expect([two.take(word, 0), two.take(other, 0)]).toEqual([false, false]);
    next.restored();
    next.stored();
    expect([two.take(word, 0), two.take(other, 0)]).toEqual([false, true]);
  });

  it('are not kept for a shard that does not want them any more', () => {
    const { one, two, three, word } = shards();
    one.take(word, 0);
    two.take(word, 0);
    one.free(word);
    one.stored();
    expect([three.take(word, 0), two.nextDue]).toEqual([false, 4 * GATE_WAIT_MS]);
    expect(two.handed(1)).toEqual([word]);
    // However often it looks.
    expect(two.handed(2)).toEqual([word]);
    expect(two.nextDue).toBe(1 + 4 * GATE_RETRY_MS);
    two.forget(two.nextDue);
    expect(three.take(word, 0)).toBe(true);
    expect(two.nextDue).toBe(Number.POSITIVE_INFINITY);
  });

  it('wake the shard that they are handed to, and no other', () => {
    const { one, two, three, word, rung } = shards();
    one.take(word, 0);
    one.free(word);
    one.stored();
    one.take(word, 0);
    two.take(word, 0);
    three.take(word, 0);
    one.free(word);
    expect(rung).toEqual([]);
    one.stored();
    expect(rung).toEqual(['1 by 0']);
    expect([three.handed(0), two.handed(0)]).toEqual([[], [word]]);
    two.forget(4 * GATE_RETRY_MS);
    expect(rung).toEqual(['1 by 0', '2 by 1']);
    expect(three.take(word, 0)).toBe(true);
  });

  it('are free once a shard is given up', () => {
    const memory = createGates();
    const [one, two] = [0, 1].map((shard) => new KeyGates(keyWordsOf(memory), shard, () => {})) as [
      KeyGates,
      KeyGates,
    ];
    Atomics.store(countsOf(memory, 5), 0, 7);
    one.take(3, 0);
    clearShard(memory, 0);
    expect([two.take(3, 0), countsOf(memory, 5)[0]]).toEqual([true, 0]);
  });
});
