import fc from 'fast-check';
import { decodeTime, isValid } from 'ulid';
import { describe, expect, it } from 'vitest';
import { eventIds } from '../../../src/endpoint/publish/event-ids.js';

describe('ids of events', () => {
  it('are ULIDs of the time at which they are made', () => {
    const makeId = eventIds(() => 1_700_000_000_123);
    const id = makeId();
    expect(isValid(id)).toBe(true);
    expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(decodeTime(id)).toBe(1_700_000_000_123);
  });

  it('encode the first and the last possible time', () => {
    for (const time of [0, 1, 1023, 1024, 2 ** 48 - 1]) {
      expect(decodeTime(eventIds(() => time)())).toBe(time);
    }
  });

  it('grow, whatever the clock does', () => {
    const clocks = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(clocks, (steps) => {
        let at = 0;
        const makeId = eventIds(() => 1_700_000_000_000 + steps[at++ % steps.length]!);
        let before = '';
        for (let i = 0; i < 400; i++) {
          const id = makeId();
          expect(id > before).toBe(true);
          expect(id).toHaveLength(26);
          before = id;
        }
      }),
    );
  });

  it('all differ even if a group of bits overflows within one millisecond', () => {
    const makeId = eventIds(() => 1_700_000_000_000);
    let before = makeId();
    for (let i = 0; i < 2 ** 20 + 10; i++) {
      const id = makeId();
      if (!(id > before)) throw new Error(`${id} came after ${before}`);
      before = id;
    }
  });

  it('of two makers share no random bits', () => {
    const [one, other] = [eventIds(() => 0), eventIds(() => 0)];
    const tails = Array.from({ length: 50 }, () => [one(), other()]).flat();
    expect(new Set(tails.map((id) => id.slice(10))).size).toBe(100);
  });
});
