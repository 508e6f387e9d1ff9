import { describe, expect, it } from 'vitest';
import type { ControlHost } from '../../../src/endpoint/consume/consumer-shards.js';
import { pendingOf } from '../../../src/endpoint/consume/list-consumers.js';
import { CONSUMERS_AT_ONCE } from '../../../src/protocol/limits/consumers.js';

/** What consumers have to do, asked of shards that a test answers for. */

const COUNT = CONSUMERS_AT_ONCE + 3;
const names = Array.from({ length: COUNT }, (_, n) => `c${n}`);

/** One shard; `answers(n)` says whether it answers its `n`th question, from 1 on, and without which consumer. */
function host(answers: (question: number) => boolean, deleted?: string) {
  const asked: number[] = [];
  const end = {
    shard: 0,
    call: async (_: string, request: () => { consumers: readonly string[] }) => {
      const { consumers } = request();
      asked.push(consumers.length);
      if (!answers(asked.length)) throw new Error('the shard is gone');
      return { states: consumers.map((id) => (id === deleted ? null : state())) };
    },
  };
  const main = {
    call: async () => ({ consumers: names.map((name) => ({ id: name, name, createdAt: 0 })) }),
  };
  const asHost = { epoch: 'e', ends: [end], main, assertOpen: () => {} } as unknown as ControlHost;
  return { host: asHost, asked };
}

const state = () => ({ position: 0, members: [], head: 7, floor: 0, leased: 0, blocked: null });

describe('what consumers have to do', () => {
  it('is asked for many at once, and leaves out one that is deleted', async () => {
    const { host: answering, asked } = host(() => true, 'c1');
    const found = await pendingOf(names, answering);
    expect([...found.keys()]).toEqual(names.filter((name) => name !== 'c1'));
    expect(asked).toEqual([CONSUMERS_AT_ONCE, 3]);
  });

  it('is not told of some only, where a shard fails after it has answered for others', async () => {
    const { host: failing } = host((question) => question === 1);
    await expect(pendingOf(names, failing)).rejects.toThrow('the shard is gone');
  });
});
