import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RELAY_PIECE_BYTES, RELAY_WINDOW_BYTES } from '../../src/protocol/limits/relay.js';
import { RecordInlet, RecordOutlet } from '../../src/relay/record-stream.js';

/** The bytes of a record can be told from those of another one. */
function recordOf(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (seed * 31 + at * 7) & 0xff;
  return bytes;
}

const LENGTHS = fc.oneof(
  fc.nat(300),
  fc.nat(RELAY_PIECE_BYTES * 2),
  fc.constantFrom(0, RELAY_PIECE_BYTES - 8, RELAY_PIECE_BYTES - 7, RELAY_WINDOW_BYTES * 2 + 1),
);

describe('the records of a link, sent as a stream', () => {
  test('property: come out whole and in order, with no more under way than the window and one piece', () => {
    fc.assert(
      fc.property(
        fc.array(LENGTHS, { maxLength: 40 }),
        fc.infiniteStream(fc.nat(3)),
        (lengths, steps) => {
          const wire: Buffer[] = [];
          let underWay = 0;
          const outlet = new RecordOutlet((piece) => {
            wire.push(piece);
            underWay += piece.length;
            expect(piece.length).toBeLessThanOrEqual(RELAY_PIECE_BYTES);
          });
          const inlet = new RecordInlet();
          const came: { type: number; bytes: Buffer }[] = [];
          let next = 0;
          let told = 0;
          for (let idle = 0; came.length < lengths.length && idle < 10_000; idle++) {
            const step = steps.next().value;
            if (step === 0 && next < lengths.length && outlet.hasRoom) {
              const record = recordOf(next, lengths[next]!);
              outlet.add(next + 1, record, 0, record.length);
              next++;
            } else if (step === 1) outlet.flush();
            else if (step === 2) {
              const piece = wire.shift();
              if (piece !== undefined) inlet.push(piece);
            } else if (inlet.next !== undefined) {
              came.push(inlet.next);
              inlet.shift();
            }
            const taken = inlet.takenToTell();
            if (taken !== undefined) {
              underWay -= taken - told;
              told = taken;
              outlet.taken(taken);
            }
            expect(underWay).toBeLessThan(RELAY_WINDOW_BYTES + RELAY_PIECE_BYTES);
          }
          expect(came.map(({ type }) => type)).toEqual(lengths.map((_, at) => at + 1));
          for (const [at, { bytes }] of came.entries()) {
            expect(bytes.equals(recordOf(at, lengths[at]!))).toBe(true);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('wait where they are while the other side takes none', () => {
    let sent = 0;
    const outlet = new RecordOutlet((piece) => {
      sent += piece.length;
    });
    const record = recordOf(1, 1000);
    let added = 0;
    while (outlet.hasRoom || sent === 0) {
      outlet.add(1, record, 0, record.length);
      added++;
      outlet.flush();
      if (added > 10_000) break;
    }
    expect(outlet.hasRoom).toBe(false);
    expect(sent).toBeLessThan(RELAY_WINDOW_BYTES + RELAY_PIECE_BYTES);
    expect(added).toBeLessThan((3 * RELAY_WINDOW_BYTES) / record.length);
    outlet.taken(sent);
    outlet.flush();
    expect(outlet.hasRoom).toBe(true);
  });
});
