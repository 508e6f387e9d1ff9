import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTimestamp, timestampFault, zonedTimeMs } from '../../src/protocol/timestamp.js';

describe('a timestamp', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0],
    ['1970-01-01T00:00:00.000Z', 0],
    ['2026-01-31T23:59:59.123Z', Date.UTC(2026, 0, 31, 23, 59, 59, 123)],
    ['2026-01-31T23:59:59.5Z', Date.UTC(2026, 0, 31, 23, 59, 59, 500)],
    ['2026-01-31T23:59:59.05+00:00', Date.UTC(2026, 0, 31, 23, 59, 59, 50)],
    ['2026-01-31T23:59:59.123999999Z', Date.UTC(2026, 0, 31, 23, 59, 59, 123)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
    ['0000-02-29T00:00:00Z', Date.parse('0000-02-29T00:00:00Z')],
    ['0099-12-31T23:59:59.999Z', Date.parse('0099-12-31T23:59:59.999Z')],
    ['9999-12-31T23:59:59.999Z', Date.parse('9999-12-31T23:59:59.999Z')],
  ])('%s is %i ms', (text, ms) => {
    expect(parseTimestamp(text)).toBe(ms);
  });

  it('may be the toISOString text of any Date with a four-digit year', () => {
    const min = new Date('0000-01-01T00:00:00.000Z');
    const max = new Date('9999-12-31T23:59:59.999Z');
    fc.assert(
      fc.property(fc.date({ min, max, noInvalidDate: true }), (date) => {
        expect(parseTimestamp(date)).toBe(date.getTime());
        expect(parseTimestamp(date.toISOString())).toBe(date.getTime());
      }),
    );
  });

  it.each([
    '2026-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-32T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:00:00',
    '2026-01-01T00:00:00+01:00',
    '2026-01-01T00:00:00.Z',
    '2026-01-01T00:00:00.1234567890Z',
    '2026-01-01 00:00:00Z',
    '2026-01-01t00:00:00z',
    '2026-01-01',
    ' 2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00Z\n',
    '+002026-01-01T00:00:00Z',
    '٢٠٢٦-01-01T00:00:00Z',
    '',
    0,
    null,
    new Date(Number.NaN),
    new Date(8.64e15),
    new Date('-000001-12-31T00:00:00Z'),
  ])('%s is invalid', (value) => {
    expect(() => parseTimestamp(value)).toThrow(
      expect.objectContaining({ code: 'EVENT_INVALID', details: { field: 'timestamp' } }),
    );
    expect(timestampFault(value)).toContain('timestamp ');
  });
});

describe('a time of any zone', () => {
  it.each([
    ['2026-01-31T14:00:00+02:00', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31T12:00:00.5-00:30', '2026-01-31T12:30:00.500Z'],
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.000Z'],
  ])('%s is %s', (text, inUtc) => {
    expect(new Date(zonedTimeMs(text)).toISOString()).toBe(inUtc);
  });

  it.each([
    '2026-02-30T00:00:00+01:00',
    '2026-01-31T24:00:00+00:00',
    '2026-01-31T12:00:00+24:00',
    '2026-01-31T12:00:00',
    '9999-12-31T23:59:59-00:01',
    '0000-01-01T00:00:00+00:01',
    'noon',
  ])('%s is none', (text) => {
    expect(zonedTimeMs(text)).toBeNaN();
  });
});
