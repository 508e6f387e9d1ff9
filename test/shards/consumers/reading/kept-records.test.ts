/** The records that are at hand, and the events whose records wait, against plain models. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KIB } from '../../../../src/protocol/limits/units.js';
import { Backlog } from '../../../../src/shards/consumers/reading/backlog.js';
import type { EventFinder } from '../../../../src/shards/consumers/reading/event-finder.js';
import { RecordCache } from '../../../../src/shards/consumers/reading/record-cache.js';

const CHUNK = 256 * KIB;
const BYTES_MAX = 3 * CHUNK;

interface Chunk {
  readonly size: number;
  used: number;
  readonly records: Set<Kept>;
}

interface Kept {
  readonly sequence: number;
  readonly mark: number;
  readonly length: number;
  wanted: number;
}

/** Chunks are filled one after the other; one that is empty and not the last goes, and the oldest where there is no room. */
class Model {
  chunks: Chunk[] = [];

  find(sequence: number): Kept | undefined {
    for (const { records } of this.chunks) {
      for (const one of records) if (one.sequence === sequence) return one;
    }
    return undefined;
  }

  get bytes(): number {
    return this.chunks.reduce((all, { size }) => all + size, 0);
  }

  fits(length: number): boolean {
    const last = this.chunks.at(-1);
    return last !== undefined && last.used + length <= last.size;
  }

  add(sequence: number, mark: number, length: number): void {
    if (length > BYTES_MAX) return;
    const known = this.find(sequence);
    if (known !== undefined) {
      known.wanted++;
      return;
    }
    if (!this.fits(length)) {
      if (this.chunks.at(-1)?.records.size === 0) this.chunks.pop();
      this.chunks.push({ size: Math.max(CHUNK, length), used: 0, records: new Set() });
      while (this.bytes > BYTES_MAX && this.chunks.length > 1) this.chunks.shift();
    }
    const last = this.chunks.at(-1)!;
    last.used += length;
    last.records.add({ sequence, mark, length, wanted: 1 });
  }

  used(sequence: number): void {
    const one = this.find(sequence);
    if (one === undefined || --one.wanted > 0) return;
    for (const { records } of this.chunks) records.delete(one);
    const last = this.chunks.at(-1);
    this.chunks = this.chunks.filter((chunk) => chunk.records.size > 0 || chunk === last);
  }
}

const step = fc.record({
  does: fc.constantFrom('add', 'add', 'add', 'use', 'use', 'clear'),
  sequence: fc.integer({ min: 1, max: 9 }),
  length: fc.constantFrom(10, CHUNK / 4, CHUNK / 2, CHUNK, CHUNK + 100, BYTES_MAX + 1),
});

describe('the records that are kept', () => {
  it('are there as often as they are wanted, as far as there is room', () => {
    const source = Buffer.alloc(BYTES_MAX + 9);
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
        const cache = new RecordCache(BYTES_MAX);
        const model = new Model();
        for (const [mark, { does, sequence, length }] of steps.entries()) {
          if (does === 'add') {
            source[8] = mark;
            source[8 + length - 1] = mark;
            cache.add(sequence, source, 8, length);
            model.add(sequence, mark, length);
          } else if (does === 'use') {
            cache.used(sequence);
            model.used(sequence);
          } else if (mark % 5 === 0) {
            cache.clear();
            model.chunks = [];
          }
          for (let one = 1; one <= 9; one++) {
            const found = cache.find(one);
            const kept = model.find(one);
            const ends = found && [
              found.length,
              found.bytes[found.offset],
              found.bytes[found.offset + found.length - 1],
            ];
            expect(ends).toEqual(kept && [kept.length, kept.mark, kept.mark]);
          }
          for (const more of [1, CHUNK / 2, CHUNK, CHUNK + 1]) {
            for (const most of [CHUNK, 2 * CHUNK, BYTES_MAX]) {
              const hasRoom = model.fits(more) || model.bytes + Math.max(CHUNK, more) <= most;
              expect(cache.hasRoom(more, most)).toBe(hasRoom);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('the events that a consumer has not come to', () => {
  /** Keeps records of so many events. */
  function backlogOf(room = 100) {
    const kept: number[] = [];
    const events = {
      keepIfRoom: (sequence: number) => {
        if (kept.length >= room) return false;
        kept.push(sequence);
        return true;
      },
      used: (sequence: number) => {
        const at = kept.indexOf(sequence);
        expect(at).toBeGreaterThanOrEqual(0);
        kept.splice(at, 1);
      },
    } as unknown as EventFinder;
    const view = { bytes: Buffer.alloc(1), offset: 0, length: 1 } as never;
    const backlog = new Backlog(events);
    const add = (...sequences: number[]) => {
      for (const sequence of sequences) backlog.add(sequence, view);
    };
    return { backlog, kept, add };
  }

  it('cover a stretch of the log from where it begins to where it ends', () => {
    const { backlog, add } = backlogOf();
    expect([backlog.covers(0), backlog.startFor(0)]).toEqual([false, Number.POSITIVE_INFINITY]);
    backlog.begin(10);
    expect([backlog.covers(10), backlog.startFor(5)]).toEqual([false, Number.POSITIVE_INFINITY]);
    add(12, 14);
    backlog.end(15);
    expect([9, 10, 14, 15].map((position) => backlog.covers(position))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect([9, 10, 11].map((position) => backlog.startFor(position))).toEqual([
      10,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
    expect(backlog.through).toBe(15);
  });

  it('go on with the next batch, and begin anew only once they were read', () => {
    const { backlog, add, kept } = backlogOf();
    backlog.begin(10);
    add(11);
    backlog.end(15);
    backlog.begin(15);
    add(16);
    backlog.end(20);
    expect([backlog.isOpen, backlog.covers(10), backlog.through]).toEqual([true, true, 20]);
    // A stretch is missing in between.
    backlog.begin(25);
    add(26);
    backlog.end(30);
    expect([backlog.isOpen, backlog.through, kept]).toEqual([false, 20, [11, 16]]);
    // Closed, it does not go on from where it stands.
    backlog.begin(20);
    expect(backlog.isOpen).toBe(false);
    expect(backlog.next(10)).toBe(11);
    backlog.take();
    expect([backlog.next(15), kept]).toEqual([16, [11, 16]]);
    expect([backlog.next(16), kept]).toEqual([21, [11]]);
    backlog.begin(30);
    expect([backlog.isOpen, backlog.covers(16), backlog.through]).toEqual([true, false, 30]);
  });

  it('end before the first event that finds no room', () => {
    const { backlog, add, kept } = backlogOf(2);
    backlog.begin(0);
    add(1, 5, 8, 9);
    backlog.end(10);
    expect([backlog.isOpen, backlog.through, kept]).toEqual([false, 7, [1, 5]]);
    expect(backlog.next(0)).toBe(1);
  });

  it('are none once they are of no use, and take none while it is closed', () => {
    const { backlog, add, kept } = backlogOf();
    add(1);
    expect(kept).toEqual([]);
    backlog.begin(0);
    add(1, 2);
    backlog.end(4);
    backlog.clear();
    expect([kept, backlog.isOpen, backlog.covers(1), backlog.through]).toEqual([
      [],
      false,
      false,
      0,
    ]);
    backlog.begin(9);
    add(10);
    backlog.close();
    add(11);
    backlog.end(12);
    expect([backlog.isOpen, backlog.through, kept]).toEqual([false, 9, [10]]);
  });
});
