import { describe, expect, it } from 'vitest';
import { SHARED_DEDUPE_MARGIN_MS } from '../../src/protocol/limits/store.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';
import { isTakenAgain, mayBeForgotten, noteTaken } from '../../src/shards/taken-again.js';
import { elapsedWithSleepMs } from '../../src/threads/elapsed.js';

/** Where positions wrap. */
const WRAP = 2 ** 31;
const REACH_MS = 100 * SHARED_DEDUPE_MARGIN_MS;

/** A link whose ring was read to `position`; a dead thread had read to `until`. */
function link(position: number, until?: number, markedAt = 0) {
  const end = { publishRing: { position: position | 0, markedAt }, takesAgainUntil: until };
  return end as unknown as ShardEnd & { takesAgainUntil: number | undefined };
}

describe('publishes that a dead thread had read', () => {
  it('are those up to the position that it had reached, also where positions wrap', () => {
    expect(isTakenAgain(link(0))).toBe(false);
    expect([16, 32, 48].map((position) => isTakenAgain(link(position, 32)))).toEqual([
      true,
      false,
      false,
    ]);
    const until = (WRAP + 16) | 0;
    expect([WRAP - 16, WRAP, WRAP + 16].map((at) => isTakenAgain(link(at, until)))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('may be forgotten by the log if they were read about as long ago as it remembers', () => {
    const readBefore = (ms: number) => link(0, 16, elapsedWithSleepMs() - ms);
    const last = REACH_MS - SHARED_DEDUPE_MARGIN_MS;
    expect(mayBeForgotten(readBefore(0), REACH_MS)).toBe(false);
    expect(mayBeForgotten(readBefore(last - 60_000), REACH_MS)).toBe(false);
    expect(mayBeForgotten(readBefore(last + 1), REACH_MS)).toBe(true);
    expect(mayBeForgotten(readBefore(REACH_MS), REACH_MS)).toBe(true);
  });

  it('keep the time at which the dead thread read them until all of them are taken', () => {
    const half = link(16, 32, 5);
    noteTaken(half);
    expect([half.takesAgainUntil, half.publishRing.markedAt]).toEqual([32, 5]);
    const whole = link(32, 32, 5);
    noteTaken(whole);
    expect([whole.takesAgainUntil, whole.publishRing.markedAt]).toEqual([undefined, 5]);
    const before = elapsedWithSleepMs();
    noteTaken(whole);
    expect(whole.publishRing.markedAt).toBeGreaterThanOrEqual(before);
  });
});
