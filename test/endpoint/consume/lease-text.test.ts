import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leaseText, parseLeaseText } from '../../../src/endpoint/consume/lease-text.js';

describe('a lease as text', () => {
  it('names its consumer, shard, sequence and number', () => {
    const whole = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const place = fc.record({
      consumer: fc.stringMatching(/^[0-9A-Z]{26}$/),
      shard: fc.integer({ min: 0, max: 255 }),
      sequence: whole,
      number: whole,
    });
    fc.assert(
      fc.property(place, ({ consumer, ...lease }) => {
        expect(parseLeaseText(leaseText(consumer, lease))).toEqual({ consumer, ...lease });
      }),
    );
  });

  it.each(['', 'a', 'a.0.1', '.0.1.1', 'a.-1.1.1', 'a.0.0.1', 'a.0.1.0', 'a.0.01.1', 'a.0.1.1.1'])(
    'is not %j',
    (text) => expect(parseLeaseText(text)).toBeUndefined(),
  );

  it('has no number beyond those that are exact', () => {
    expect(parseLeaseText('a.0.9007199254740993.1')).toBeUndefined();
  });
});
