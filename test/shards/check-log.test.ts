import { describe, expect, it } from 'vitest';
import type { ShardThreadData } from '../../src/link/shard-mail.js';
import { SHARED_DEDUPE_WINDOW_MS_MIN } from '../../src/protocol/limits/store.js';
import { checkLog } from '../../src/shards/check-log.js';
import type { ShardLog } from '../../src/store/shard-log.js';

const LEAST_MS = SHARED_DEDUPE_WINDOW_MS_MIN;
const own = { isShared: false, ringPositions: {}, dedupeWindowMs: 0 };
const shared = { isShared: true, dedupeWindowMs: LEAST_MS };

/** Checks a log of which only these members count. */
function check(log: object, { prunes = false, dedupeWindowMs = 0 } = {}): void {
  const data = { prunes, log: { settings: { dedupeWindowMs } } };
  checkLog(log as ShardLog, data as unknown as ShardThreadData);
}

describe('a log, before its shard begins', () => {
  it('has to remove events where the bus asks for retention, and nowhere else', () => {
    const refused = expect.objectContaining({ code: 'OPTION_INVALID' });
    expect(() => check(own, { prunes: true })).toThrow(refused);
    check(own);
    check({ ...own, pruning: {} }, { prunes: true });
    check({ ...own, pruning: {} });
  });

  it('is one of the shard’s own, with ring positions, or a shared one without', () => {
    const refused = expect.objectContaining({ code: 'STORE_FAILED' });
    expect(() => check({ ...own, ringPositions: undefined })).toThrow(refused);
    expect(() => check({ ...shared, ringPositions: {} })).toThrow(refused);
    check(shared);
  });

  it('knows ids for as long as the bus asks, and for the least time, if it is shared', () => {
    const refused = expect.objectContaining({ code: 'OPTION_INVALID' });
    const short = { ...shared, dedupeWindowMs: LEAST_MS - 1 };
    expect(() => check(short)).toThrow(refused);
    expect(() => check(shared, { dedupeWindowMs: LEAST_MS + 1 })).toThrow(refused);
    check(shared, { dedupeWindowMs: LEAST_MS - 1 });
    check({ ...shared, dedupeWindowMs: LEAST_MS + 1 }, { dedupeWindowMs: LEAST_MS + 1 });
    // A log of the shard's own keeps the ids with the ring positions.
    check(own, { dedupeWindowMs: LEAST_MS });
  });
});
