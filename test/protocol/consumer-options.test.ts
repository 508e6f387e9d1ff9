import { describe, expect, it } from 'vitest';
import {
  assertReason,
  parseAckOptions,
  parseNakOptions,
  parsePullOptions,
  parseRunOptions,
} from '../../src/protocol/consumer-options.js';

const refused = (message: string) =>
  expect.objectContaining({ code: 'OPTION_INVALID', message: expect.stringContaining(message) });

describe('the options of a member', () => {
  it('have defaults', () => {
    expect(parseRunOptions({}, 5)).toEqual({ concurrency: 1, prefetch: true });
  });

  it('lease nothing ahead where an event has one attempt, unless asked', () => {
    expect(parseRunOptions({}, 1).prefetch).toBe(false);
    expect(parseRunOptions({ prefetch: true }, 1).prefetch).toBe(true);
    expect(parseRunOptions({ prefetch: false }, 5).prefetch).toBe(false);
  });

  it.each([
    [{ concurrency: 0 }, 'concurrency: has to be a whole number from 1 to 10000'],
    [{ name: '' }, 'name: has to be text of 1 to 255 characters'],
    [{ signal: {} }, 'signal: has to be an AbortSignal'],
    [{ concurency: 3 }, 'did you mean concurrency?'],
  ])('%j are refused', (options, message) => {
    expect(() => parseRunOptions(options as object, 5)).toThrow(refused(message));
  });
});

describe('the options of pull, ack and nak', () => {
  it('have defaults', () => {
    expect(parsePullOptions({})).toEqual({ max: 1, waitMs: 0 });
    expect(parseAckOptions({}, 'written')).toBe('written');
    expect(parseAckOptions({ durability: 'synced' }, 'written')).toBe('synced');
    expect(parseNakOptions({})).toEqual({ isCounted: true, reason: '' });
    expect(parseNakOptions({ count: false, delayMs: 0 })).toMatchObject({
      delayMs: 0,
      isCounted: false,
    });
  });

  it('are refused beyond their bounds', () => {
    expect(() => parsePullOptions({ max: 1001 })).toThrow(refused('1 to 1000'));
    expect(() => parsePullOptions({ waitMs: 30_001 })).toThrow(refused('0 to 30000'));
    expect(() => parseAckOptions({ durability: 'none' as 'synced' }, 'synced')).toThrow(
      refused('synced, written'),
    );
    expect(() => parseNakOptions({ count: true as false })).toThrow(refused('count'));
    expect(() => parseNakOptions({ reason: 'x'.repeat(1025) })).toThrow(refused('1024'));
    expect(() => assertReason(7)).toThrow(refused('term: reason: has to be text'));
  });
});
