import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { brokenRelations, LIMITS } from '../../../src/protocol/limits/relations.js';

describe('every limit', () => {
  it('has one name, in the file of one area, and may have relations', () => {
    const folder = new URL('../../../src/protocol/limits/', import.meta.url);
    const areas = readdirSync(folder).filter((file) => file !== 'relations.ts');
    const names = areas.flatMap((file) =>
      [...readFileSync(new URL(file, folder), 'utf8').matchAll(/^export const (\w+)/gm)].map(
        ([, name]) => name,
      ),
    );
    expect(names.sort()).toEqual(Object.keys(LIMITS).sort());
  });
});

describe('limits that depend on each other', () => {
  it('hold', () => {
    expect(brokenRelations(LIMITS)).toEqual([]);
  });

  it.each([
    ['CLIENT_RESEND_MS', LIMITS.DEDUPE_WINDOW_MS, 'sent again only while the server knows its id'],
    ['COMMIT_BATCH_EVENTS', LIMITS.CREDIT_EVENTS, 'four full batches'],
    ['RING_BYTES', LIMITS.RING_BYTES + 1, 'powers of two'],
    ['QUERY_LIMIT', LIMITS.QUERY_LIMIT_MAX + 1, 'QUERY_LIMIT 10001 is over QUERY_LIMIT_MAX 10000'],
    ['PREFETCH_MS', LIMITS.LEASE_MS_MIN, 'is not leased ahead for as long as its lease lasts'],
    ['LEASES_PER_TURN', 4097, 'LEASES_PER_TURN 4097 is over COMMIT_BATCH_EVENTS 4096'],
    ['SETTLEMENTS_PER_RECORD', 1024, 'a record of settlements fits its ring'],
    ['GATE_WORDS', 65_535, 'powers of two'],
    ['GATEWAY_HUNG_MS', LIMITS.GATEWAY_TURN_MS, 'before it counts as stalled'],
  ])('are refused if %s does not fit', (name, value, told) => {
    expect(brokenRelations({ ...LIMITS, [name]: value }).join()).toContain(told);
  });
});
