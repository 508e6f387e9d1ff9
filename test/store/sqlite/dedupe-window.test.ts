import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventRecordView } from '../../../src/record/event-record.js';
import { DedupeWindow } from '../../../src/store/sqlite/dedupe/dedupe-window.js';
import { record } from '../records.js';

const WINDOW_MS = 100;
const NAMED = 1 | 4;

interface Entry {
  readonly id: string;
  readonly sequence: number;
  readonly addedAt: number;
}

/** A model of the window: a plain list. */
class ListWindow {
  now = 0;
  entries: Entry[] = [];
  committed: Entry[] = [];
  forgottenAt = Number.NEGATIVE_INFINITY;

  constructor(readonly idsMax: number) {}

  find(id: string): number {
    const found = this.entries.findLast((entry) => entry.id === id);
    return found === undefined || this.now - found.addedAt > WINDOW_MS ? 0 : found.sequence;
  }

  commit(): void {
    const excess = this.entries.length - this.idsMax;
    if (excess > 0) {
      this.forgottenAt = this.entries[excess - 1]!.addedAt;
      this.entries = this.entries.slice(excess);
    }
    this.committed = [...this.entries];
  }

  get reachMs(): number {
    return Math.max(0, Math.min(WINDOW_MS, this.now - this.forgottenAt));
  }
}

const view = new EventRecordView();
const named = (id: string): EventRecordView => view.wrap(record({ id, flags: NAMED }), 0);

describe('a dedupe window', () => {
  it('knows the same ids as a plain list with the same bounds', () => {
    const step = fc.oneof(
      { weight: 12, arbitrary: fc.record({ add: fc.nat({ max: 60 }) }) },
      { weight: 3, arbitrary: fc.constant('commit' as const) },
      { weight: 1, arbitrary: fc.constant('rollback' as const) },
      { weight: 2, arbitrary: fc.record({ pass: fc.nat({ max: 80 }) }) },
    );
    fc.assert(
      fc.property(
        fc.constantFrom(1, 3, 20, 1000),
        fc.array(step, { maxLength: 400 }),
        (idsMax, steps) => {
          const model = new ListWindow(idsMax);
          const elapsed = (): number => model.now;
          const window = new DedupeWindow({ windowMs: WINDOW_MS, idsMax, elapsed });
          let sequence = 0;
          for (const one of steps) {
            if (one === 'commit') {
              window.commit();
              model.commit();
              expect(window.reachMs).toBe(model.reachMs);
            } else if (one === 'rollback') {
              window.rollback();
              model.entries = [...model.committed];
            } else if ('pass' in one) model.now += one.pass;
            else {
              const id = `id-${one.add}`;
              expect(window.find(named(id))).toBe(model.find(id));
              if (model.find(id) !== 0) continue;
              window.add(named(id), ++sequence);
              model.entries.push({ id, sequence, addedAt: model.now });
            }
          }
          for (let n = 0; n <= 60; n++) {
            expect(window.find(named(`id-${n}`))).toBe(model.find(`id-${n}`));
          }
        },
      ),
    );
  });

  it('finds by a record an entry that was loaded from texts', () => {
    const window = new DedupeWindow({ windowMs: WINDOW_MS, idsMax: 10, elapsed: () => 0 });
    const topic = 'größe.längst';
    window.load({ topic, source: undefined, id: 'x' }, 1, 0, 0);
    window.load({ topic, source: 'mühle', id: 'x' }, 2, 0, 0);
    window.load({ topic, source: 'mühle', id: 'old' }, 3, WINDOW_MS + 1, 0);
    const find = (event: Parameters<typeof record>[0]): number =>
      window.find(view.wrap(record({ topic, flags: NAMED, ...event }), 0));
    expect(find({ id: 'x', source: 'mühle' })).toBe(1);
    expect(find({ id: 'x', source: 'mühle', flags: NAMED | 16 })).toBe(2);
    expect(find({ id: 'old', source: 'mühle', flags: NAMED | 16 })).toBe(0);
    expect(window.findLoaded(view.wrap(record({ topic, flags: NAMED, id: 'y' }), 0))).toBe(0);
  });

  it('knows every id up to its limit, and beyond it forgets the oldest', () => {
    const window = new DedupeWindow({ windowMs: WINDOW_MS, idsMax: 50_000, elapsed: () => 0 });
    for (let n = 1; n <= 120_000; n++) {
      window.add(named(`id-${n}`), n);
      if (n % 1000 === 0) window.commit();
    }
    expect(window.size).toBe(50_000);
    for (let n = 1; n <= 120_000; n += 7) {
      expect(window.find(named(`id-${n}`))).toBe(n > 70_000 ? n : 0);
    }
  });
});
