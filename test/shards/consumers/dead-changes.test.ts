/** What a turn changes in the rows of dead events, against a plain model of the rows and of the turn. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../../src/protocol/errors.js';
import { DeadChanges } from '../../../src/shards/consumers/dead-changes.js';
import {
  type DeadState,
  LETTER_DUE,
  LETTER_SENT,
  NO_LETTER_WANTED,
  REDRIVEN,
  type ShardConsumers,
} from '../../../src/store/consumer-states.js';
import { memoryLog } from '../support.js';

interface Row {
  readonly state: DeadState;
  readonly times: number;
  readonly diedAt: number;
  readonly reason: string;
}

const GONE = 'gone';
const SEQUENCES = [1, 2, 3];

class Model {
  readonly rows = new Map<number, Row>();
  readonly changes = new Map<number, DeadState | typeof GONE>();
  deaths: { sequence: number; reason: string }[] = [];

  stateOf(sequence: number): DeadState | undefined {
    const change = this.changes.get(sequence);
    if (change === GONE) return undefined;
    return change ?? this.rows.get(sequence)?.state;
  }

  isDead(sequence: number): boolean {
    return [LETTER_DUE, LETTER_SENT, NO_LETTER_WANTED].some(
      (state) => state === this.stateOf(sequence),
    );
  }

  letter(sequence: number, times: number, state: DeadState): void {
    if (this.stateOf(sequence) !== LETTER_DUE) return;
    if (this.rows.get(sequence)?.times === times) this.changes.set(sequence, state);
  }

  commit(wantsLetter: boolean, diedAt: number): void {
    for (const [sequence, change] of this.changes) {
      const row = this.rows.get(sequence);
      if (change === GONE) this.rows.delete(sequence);
      else if (row !== undefined) this.rows.set(sequence, { ...row, state: change });
    }
    const state = wantsLetter ? LETTER_DUE : NO_LETTER_WANTED;
    for (const { sequence, reason } of this.deaths) {
      const times = (this.rows.get(sequence)?.times ?? 0) + 1;
      this.rows.set(sequence, { state, times, diedAt, reason });
    }
    this.changes.clear();
    this.deaths = [];
  }
}

const step = fc.record({
  does: fc.constantFrom(
    'die',
    'die',
    'redrive',
    'come again',
    'send',
    'keep',
    'over',
    'seek',
    'take back',
    'commit',
    'commit',
    'commit',
  ),
  sequence: fc.constantFrom(...SEQUENCES),
  times: fc.integer({ min: 1, max: 2 }),
  wantsLetter: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function change(
  { does, sequence, times }: Step,
  dead: DeadChanges,
  model: Model,
  at: number,
): void {
  const { changes } = model;
  if (does === 'die') {
    const reason = `at ${at}`;
    dead.died({ sequence, attempts: at, cause: 'term', reason });
    model.deaths.push({ sequence, reason });
  } else if (does === 'redrive') {
    dead.redriven(sequence);
    changes.set(sequence, REDRIVEN);
  } else if (does === 'come again') {
    dead.comesAgain(sequence);
    if (model.isDead(sequence)) changes.set(sequence, REDRIVEN);
  } else if (does === 'send') {
    dead.letterSent(sequence, times);
    model.letter(sequence, times, LETTER_SENT);
  } else if (does === 'keep') {
    dead.letterKept(sequence, times);
    model.letter(sequence, times, NO_LETTER_WANTED);
  } else if (does === 'over') {
    dead.over(sequence);
    if (model.stateOf(sequence) !== undefined) changes.set(sequence, GONE);
  } else if (does === 'seek') {
    dead.forgetRedriven();
    for (const one of SEQUENCES) {
      if (model.stateOf(one) === REDRIVEN) changes.set(one, NO_LETTER_WANTED);
    }
  } else {
    const before = dead.changeOf(sequence);
    dead.over(sequence);
    dead.restore(sequence, before);
  }
}

describe('what a turn changes in the rows of dead events', () => {
  it('is what those who ask in the turn find, and then what is stored', () => {
    const log = memoryLog(['jobs.a', 'jobs.a', 'jobs.a']);
    const store: ShardConsumers = log.consumers;
    let games = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 30 }), (steps) => {
        const consumer = `c${++games}`;
        const dead = new DeadChanges(consumer, store);
        const model = new Model();
        for (const [at, one] of steps.entries()) {
          if (one.does === 'commit') {
            dead.put(one.wantsLetter, at);
            log.commit(true, []);
            const died = model.deaths.map(({ sequence }) => sequence);
            expect(dead.committed()).toEqual(died);
            model.commit(one.wantsLetter, at);
          } else change(one, dead, model, at);
          expect(dead.hasAny).toBe(model.changes.size + model.deaths.length > 0);
          for (const sequence of SEQUENCES) {
            expect(dead.stateOf(sequence)).toBe(model.stateOf(sequence));
            expect(dead.isDead(sequence)).toBe(model.isDead(sequence));
          }
        }
        const rows = store.dead(consumer, 0, 10).map((row) => {
          const { sequence, state, times, diedAt, reason, attempts, cause } = row;
          expect({ cause, reason }).toEqual({ cause: 'term', reason: `at ${attempts}` });
          return [sequence, { state, times, diedAt, reason }];
        });
        expect(rows).toEqual([...model.rows].sort(([a], [b]) => a - b));
      }),
      { numRuns: 200 },
    );
  });

  /** A store whose rows cannot be read. */
  function unreadable(error: Error) {
    const log = memoryLog(['jobs.a']);
    const store = log.consumers;
    const dead = new DeadChanges('c1', store);
    dead.died({ sequence: 1, attempts: 1, cause: 'nak', reason: '' });
    dead.put(true, 1);
    log.commit(true, []);
    dead.committed();
    const broken = new Proxy<ShardConsumers>(store, {
      get: (of, name) => {
        if (name === 'deadAt') {
          return () => {
            throw error;
          };
        }
        const value: unknown = Reflect.get(of, name, of);
        return typeof value === 'function' ? value.bind(of) : value;
      },
    });
    return { log, store, dead: new DeadChanges('c1', broken) };
  }

  it('goes on where a row is damaged: its letter stays due, and a death writes it anew', () => {
    const { log, store, dead } = unreadable(new BusError('STORE_CORRUPT', 'a row is damaged'));
    dead.letterSent(1, 1);
    dead.letterKept(1, 1);
    expect([dead.hasAny, dead.stateOf(1)]).toEqual([false, LETTER_DUE]);
    dead.died({ sequence: 1, attempts: 7, cause: 'term', reason: 'again' });
    dead.put(false, 2);
    log.commit(true, []);
    const row = { attempts: 7, times: 1, state: NO_LETTER_WANTED, reason: 'again' };
    expect(store.deadAt('c1', 1)).toMatchObject(row);
  });

  it.each([new Error('out of memory'), new BusError('STORE_FAILED', 'the disk is gone')])(
    'fails with the store: %s',
    (error) => {
      const { dead } = unreadable(error);
      expect(() => dead.letterSent(1, 1)).toThrow(error);
    },
  );
});
