/**
 * The bytes of a list of open events: what was written is read again, and bytes of which any part is missing or changed
 * are refused, so that no event is taken for done because a byte flipped.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenListReader, OpenListWriter } from '../../src/consumers/open-list.js';

interface Listed {
  sequence: number;
  kind: 'fresh' | 'before' | 'leased';
  attempts: number;
  losses: number;
  leaseBehind: number;
  flags: number;
  dueInMs: number;
}

const DETACHED = 4;
/** Small ones often, so that there are runs. */
const distance = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 }), fc.nat(2 ** 44));
const listed = fc.record({
  distance: distance.map((value) => Math.max(1, value)),
  kind: fc.constantFrom('fresh' as const, 'fresh' as const, 'before' as const, 'leased' as const),
  attempts: fc.nat(1000),
  losses: fc.nat(255),
  leaseBehind: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 2 ** 50 })),
  flags: fc.nat(7),
  dueInMs: fc.oneof(fc.constant(0), fc.nat(100_000), fc.nat(2 ** 40)),
});
const part = fc.array(listed, { maxLength: 40 }).map((events) => {
  let sequence = 0;
  return events.map(({ distance: step, ...event }): Listed => {
    sequence += step;
    return { sequence, ...event };
  });
});

const writer = new OpenListWriter();

function write(redriven: readonly Listed[], others: readonly Listed[]): Uint8Array {
  writer.begin(redriven.length);
  for (const event of redriven) add(event);
  writer.beginPart();
  for (const event of others) add(event);
  return writer.end().slice();
}

function add(event: Listed): void {
  const { sequence, kind, attempts, losses, leaseBehind, flags, dueInMs } = event;
  if (kind === 'fresh') writer.addNeverLeased(sequence);
  else if (kind === 'before') writer.addLeasedBefore(sequence, attempts, losses, dueInMs);
  else writer.addLeased(sequence, attempts, losses, leaseBehind, flags, dueInMs);
}

function read(bytes: Uint8Array): [redriven: Listed[], others: Listed[]] {
  const list = new OpenListReader(bytes);
  const parts: [Listed[], Listed[]] = [[], []];
  while (list.next()) {
    const { sequence, isLeased, attempts, losses, leaseBehind, flags, dueInMs } = list;
    const isFresh = !isLeased && attempts === 0 && losses === 0 && dueInMs === 0;
    const kind = isLeased ? 'leased' : isFresh ? 'fresh' : 'before';
    const event: Listed = { sequence, kind, attempts, losses, leaseBehind, flags, dueInMs };
    parts[list.isRedriven ? 0 : 1].push(event);
  }
  return parts;
}

/** What is not written is not read. */
function plain(event: Listed): Listed {
  const { sequence, kind, attempts, losses, leaseBehind, flags, dueInMs } = event;
  const bare = { sequence, attempts: 0, losses: 0, leaseBehind: 0, flags: 0, dueInMs: 0 };
  if (kind === 'fresh') return { ...bare, kind };
  if (kind === 'before') {
    const isFresh = attempts === 0 && losses === 0 && dueInMs === 0;
    return { ...bare, kind: isFresh ? 'fresh' : kind, attempts, losses, dueInMs };
  }
  const due = (flags & DETACHED) === 0 ? 0 : dueInMs;
  return { sequence, kind, attempts, losses, leaseBehind, flags, dueInMs: due };
}

const damaged = expect.objectContaining({
  code: 'STORE_CORRUPT',
  message: expect.stringContaining("a consumer's list of open events"),
});

describe('the stored list of open events', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(part, part, (redriven, others) => {
        const expected = [redriven.map(plain), others.map(plain)];
        expect(read(write(redriven, others))).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('is refused if it is cut anywhere', () => {
    fc.assert(
      fc.property(part, part, (redriven, others) => {
        const bytes = write(redriven, others);
        for (let length = 0; length < bytes.length; length++) {
          expect(() => read(bytes.subarray(0, length))).toThrow(damaged);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is refused if any bit of it is flipped', () => {
    fc.assert(
      fc.property(part, part, (redriven, others) => {
        const bytes = write(redriven, others);
        for (let bit = 0; bit < 8 * bytes.length; bit++) {
          bytes[bit >> 3]! ^= 1 << (bit & 7);
          expect(() => read(bytes)).toThrow(damaged);
          bytes[bit >> 3]! ^= 1 << (bit & 7);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('takes a few bytes for a long run of events that were never leased', () => {
    const run = Array.from({ length: 10_000 }, (_, at) => ({ sequence: 1_000_000 + at }));
    writer.begin(0);
    writer.beginPart();
    for (const { sequence } of run) writer.addNeverLeased(sequence);
    expect(writer.end().length).toBeLessThan(16);
  });

  it('is refused if its numbers make no sense, whatever its checksum', () => {
    const wrong: [string, () => void][] = [
      ['no such sequence', () => writer.addNeverLeased(0)],
      ['so many attempts', () => writer.addLeasedBefore(1, 1001, 0, 0)],
      ['so many losses', () => writer.addLeasedBefore(1, 0, 256, 0)],
      ['a flag', () => writer.addLeased(1, 0, 0, 1, 16, 0)],
    ];
    for (const [message, write] of wrong) {
      writer.begin(0);
      writer.beginPart();
      write();
      expect(() => read(writer.end())).toThrow(message);
    }
    writer.begin(2);
    writer.addNeverLeased(1);
    expect(() => read(writer.end())).toThrow('ends before its last event');
  });
});
