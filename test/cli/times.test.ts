import { describe, expect, it } from 'vitest';
import {
  durationFrom,
  parseDuration,
  parseInstant,
  parseTime,
  parseTimeout,
} from '../../src/cli/values.js';

describe('times on the command line', () => {
  it.each([
    ['2026-01-31', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31T12:00Z', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31T12:00+01:00', '2026-01-31T11:00:00.000Z'],
    ['2026-01-31T12:00:00.5-01:00', '2026-01-31T13:00:00.500Z'],
  ])('%s is %s', (text, time) => {
    expect(parseTime(text)).toBe(time);
    expect(parseInstant(text)).toBe(time);
  });

  it.each([
    '2026-02-30',
    '2023-02-29T12:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T12:00',
    'noon',
    '',
  ])('%j is refused', (text) => {
    const refused = expect.objectContaining({ code: 'commander.invalidArgument' });
    expect(() => parseTime(text)).toThrow(refused);
    expect(() => parseInstant(text)).toThrow(refused);
  });

  it('may be a thousand years ago, and not more', () => {
    expect(parseTime('365250d')).toMatch(/^1\d{3}-/);
    for (const text of ['365251d', '104249991374d', '9007199254740991']) {
      expect(() => parseDuration(text)).toThrow('of at most 1000 years');
    }
    expect(() => parseTime('104249991374d')).toThrow('of at most 1000 years');
  });

  it('is refused with the bound that its option has, where that is nearer', () => {
    const parseLease = durationFrom(1000, 60_000, 'from 1s to 1m');
    for (const text of ['999ms', '61s', '104249991374d']) {
      expect(() => parseLease(text)).toThrow('from 1s to 1m');
    }
    expect(() => parseTimeout('104249991374d')).toThrow('from 1ms to 24d');
    expect(() => parseLease('soon')).toThrow('such as 250ms');
  });
});
