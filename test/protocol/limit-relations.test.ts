import { describe, expect, it } from 'vitest';
import { brokenRelations } from '../../src/protocol/limit-relations.js';
import * as limits from '../../src/protocol/limits.js';

describe('limits that depend on each other', () => {
  it('hold', () => {
    expect(brokenRelations(limits)).toEqual([]);
  });

  it.each([
    ['CLIENT_RESEND_MS', limits.DEDUPE_WINDOW_MS, 'sent again only while the server knows its id'],
    ['COMMIT_BATCH_EVENTS', limits.CREDIT_EVENTS, 'four full batches'],
    ['RING_BYTES', limits.RING_BYTES + 1, 'powers of two'],
    ['QUERY_LIMIT', limits.QUERY_LIMIT_MAX + 1, 'QUERY_LIMIT 10001 is over QUERY_LIMIT_MAX 10000'],
    ['GATEWAY_HUNG_MS', limits.GATEWAY_TURN_MS, 'before it counts as stalled'],
  ])('are refused if %s does not fit', (name, value, told) => {
    expect(brokenRelations({ ...limits, [name]: value }).join()).toContain(told);
  });
});
