import { describe, expect, it } from 'vitest';
import { CORRELATION, SOURCE } from '../../../src/store/sqlite/fields/field-rows.js';
import {
  RECENT_VALUES_BYTES,
  RecentValues,
} from '../../../src/store/sqlite/fields/recent-values.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';

const SLOTS = 2 * INDEX_BLOCK_EVENTS;

const ofRun = (value: number) => [{ field: CORRELATION, values: new Set([value]) }];

/** A log's own values, and a reader's view of the same memory. */
function shared(): { own: RecentValues; reader: RecentValues } {
  const memory = new SharedArrayBuffer(RECENT_VALUES_BYTES);
  return { own: new RecentValues(memory), reader: new RecentValues(memory) };
}

describe('the values of the newest events', () => {
  it('tell a reader which events have all the wanted values', () => {
    const { own, reader } = shared();
    own.start(11);
    for (let sequence = 11; sequence <= 30; sequence++) own.note(sequence, sequence % 4, 7, 9);
    expect(reader.sequences(10, 30, ofRun(3))).toEqual([11, 15, 19, 23, 27]);
    expect(reader.sequences(15, 23, ofRun(3))).toEqual([19, 23]);
    const both = [...ofRun(3), { field: SOURCE, values: new Set([8]) }];
    expect(reader.sequences(10, 30, both)).toEqual([]);
  });

  it('tell nothing before a log is open, of earlier events, and of those whose place is taken', () => {
    const { own, reader } = shared();
    expect(reader.sequences(0, 10, ofRun(3))).toBeUndefined();
    own.start(11);
    for (let sequence = 11; sequence <= 100; sequence++) own.note(sequence, 3, 7, 9);
    expect(reader.sequences(9, 30, ofRun(3))).toBeUndefined();
    const last = 3 * INDEX_BLOCK_EVENTS;
    for (let sequence = 101; sequence <= last; sequence++) own.note(sequence, 5, 7, 9);
    expect(reader.sequences(10, 100, ofRun(3))).toBeUndefined();
    expect(own.keeps(100)).toBe(false);
    expect(reader.sequences(last - 100, last, ofRun(3))).toEqual([]);
    expect(reader.sequences(last - 2, last, ofRun(5))).toEqual([last - 1, last]);
  });

  it('tell a reader that looks meanwhile nothing once the log is about to take the places', () => {
    const { own, reader } = shared();
    own.start(1);
    for (let sequence = 1; sequence <= SLOTS; sequence++) own.note(sequence, 3, 7, 9);
    /** Looks for the events from 1 on, and does `work` after the first of them. */
    const lookedDuring = (work: () => void): number[] | undefined => {
      let isDone = false;
      const values = new (class extends Set<number> {
        override has(value: number): boolean {
          if (!isDone) work();
          isDone = true;
          return value === 3;
        }
      })();
      return reader.sequences(0, 3, [{ field: CORRELATION, values }]);
    };
    expect(lookedDuring(() => {})).toEqual([1, 2, 3]);
    expect(lookedDuring(() => own.note(SLOTS + 1, 5, 7, 9))).toBeUndefined();
    own.start(1);
    for (let sequence = 1; sequence <= SLOTS; sequence++) own.note(sequence, 3, 7, 9);
    expect(lookedDuring(() => own.start(SLOTS + 1))).toBeUndefined();
  });

  it('tell nothing of places that an event which was rolled back has taken', () => {
    const { own, reader } = shared();
    own.start(1);
    for (let sequence = 1; sequence <= 2 * INDEX_BLOCK_EVENTS; sequence++)
      own.note(sequence, 3, 7, 9);
    for (let more = 1; more <= 5000; more++) own.note(2 * INDEX_BLOCK_EVENTS + more, 5, 7, 9);
    own.note(2 * INDEX_BLOCK_EVENTS + 1, 6, 7, 9);
    expect(reader.sequences(4000, 5000, ofRun(3))).toBeUndefined();
    expect(own.keeps(5000)).toBe(false);
  });

  it('go back as far as the log has put them in again, and no further', () => {
    const { own, reader } = shared();
    own.start(11);
    for (let sequence = 1; sequence < 11; sequence++) own.put(sequence, 3, 7, 9);
    expect(reader.sequences(0, 10, ofRun(3))).toBeUndefined();
    own.extendTo(6);
    expect(reader.sequences(5, 10, ofRun(3))).toEqual([6, 7, 8, 9, 10]);
    expect(reader.sequences(4, 10, ofRun(3))).toBeUndefined();
  });
});
