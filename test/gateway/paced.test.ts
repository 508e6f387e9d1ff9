import { describe, expect, it } from 'vitest';
import { LeaseNames } from '../../src/gateway/consumers/lease-names.js';
import { Paced } from '../../src/gateway/paced.js';
import { LEASE_NAMES_PER_TURN } from '../../src/protocol/limits/consumers.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('callers that go on a few at a time', () => {
  it('keep their order, and all of them go on', async () => {
    const paced = new Paced(2);
    const passed: number[] = [];
    for (const n of [1, 2, 3, 4, 5]) void paced.pass().then(() => passed.push(n));
    await undefined;
    await undefined;
    expect(passed).toEqual([1, 2]);
    await turn();
    expect(passed).toEqual([1, 2, 3, 4]);
    await turn();
    expect(passed).toEqual([1, 2, 3, 4, 5]);
    await turn();
    await turn();
    await paced.pass();
  });
});

describe('leases of consumers that nobody knows', () => {
  it('are refused a few at a time, and looked for together', async () => {
    let looks = 0;
    const names = new LeaseNames(async () => {
      looks++;
      return [];
    });
    let refused = 0;
    const count = 3 * LEASE_NAMES_PER_TURN;
    const all = Array.from({ length: count }, (_, n) => names.nameOf(`id-${n}`));
    for (const one of all) void one.then(() => refused++);
    const seen: number[] = [];
    while (refused < count) {
      await turn();
      seen.push(refused);
    }
    for (const [at, now] of seen.entries()) {
      expect(now - (seen[at - 1] ?? 0)).toBeLessThanOrEqual(LEASE_NAMES_PER_TURN);
    }
    // The second look is for those who asked while the first one was under way.
    expect(looks).toBeLessThanOrEqual(2);
  });
});
