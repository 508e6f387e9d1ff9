import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MIB } from '../../../src/protocol/limits/units.js';
import {
  type DeadState,
  LETTER_DUE,
  LETTER_SENT,
  NO_LETTER_WANTED,
  REDRIVEN,
  type ShardConsumers,
  type StoredDeadEvent,
  type StoredLane,
} from '../../../src/store/consumer-states.js';
import {
  decodeEntry,
  encodeEntry,
  type JournalChange,
} from '../../../src/store/desk/journal-entry.js';
import { JournaledConsumers } from '../../../src/store/desk/journaled-consumers.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';

/** A journal as a broker keeps it. */
class Kept {
  entries: Uint8Array[] = [];
  compactions = 0;

  /** Stores what was put, as a desk does. */
  store(consumers: JournaledConsumers): void {
    const entry = consumers.takeEntry();
    if (entry !== undefined) this.entries.push(entry);
    if (!consumers.isLong) return;
    this.compactions++;
    this.entries = [...consumers.snapshot()];
  }
}

const NO_RECORD = (): undefined => undefined;

function opened(kept: Kept, recordOf: (sequence: number) => Uint8Array | undefined = NO_RECORD) {
  const consumers = new JournaledConsumers(0, kept.entries, recordOf);
  onTestFinished(() => consumers.close());
  return consumers;
}

function lane(of: Partial<StoredLane> = {}): StoredLane {
  return {
    consumer: 'one',
    lane: 0,
    round: 1,
    position: 7,
    leaseNext: 12,
    acked: 5,
    redelivered: 2,
    lost: 0,
    at: 1_700_000_000_000,
    open: Uint8Array.of(1, 2, 255),
    ...of,
  };
}

function dead(of: Partial<StoredDeadEvent> = {}): StoredDeadEvent {
  const defaults = { consumer: 'one', sequence: 1, diedAt: 1000, attempts: 5, times: 1 };
  return { ...defaults, state: LETTER_DUE, cause: 'nak', reason: 'it failed', ...of };
}

const NAMES = ['one', 'two', 'three'] as const;

/** Everything that a reader can learn of a state. */
function seen(consumers: ShardConsumers): unknown {
  const lanes = consumers.load().map((one) => ({ ...one, open: textOf(one.open) }));
  return {
    lanes: lanes.sort((a, b) => (a.consumer + a.lane < b.consumer + b.lane ? -1 : 1)),
    consumers: NAMES.map((name) => ({
      dead: plain(consumers.dead(name, 0, 1000)),
      states: [1, 2, 3, 4, 5].map((sequence) => consumers.deadState(name, sequence)),
      redriven: consumers.redriven(name),
      count: consumers.deadCount(name),
      due: consumers.lettersDueCount(name),
    })),
    letters: plain(consumers.lettersDue(1000)),
  };
}

const plain = (events: readonly StoredDeadEvent[]): unknown[] =>
  events.map(({ record, ...event }) => ({ ...event, record: record && textOf(record) }));

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

type Step =
  | { readonly does: 'lane'; readonly lane: Partial<StoredLane> }
  | { readonly does: 'dead'; readonly event: Partial<StoredDeadEvent> }
  | {
      readonly does: 'state';
      readonly consumer: string;
      readonly sequence: number;
      readonly state: DeadState;
    }
  | { readonly does: 'removeDead'; readonly consumer: string; readonly sequence: number }
  | { readonly does: 'remove'; readonly consumer: string }
  | { readonly does: 'removeLanes'; readonly consumer: string; readonly from: number }
  | { readonly does: 'settle'; readonly endpoint: string; readonly number: number }
  | { readonly does: 'commit' }
  | { readonly does: 'reopen' };

const name = fc.constantFrom(...NAMES);
const sequence = fc.integer({ min: 1, max: 5 });
const bytes = fc.uint8Array({ maxLength: 40 });
const state = fc.constantFrom<DeadState>(LETTER_DUE, LETTER_SENT, REDRIVEN, NO_LETTER_WANTED);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    does: fc.constant('lane' as const),
    lane: fc.record({ consumer: name, lane: fc.nat(2), position: fc.nat(1000), open: bytes }),
  }),
  fc.record({
    does: fc.constant('dead' as const),
    event: fc.record({ consumer: name, sequence, state }),
  }),
  fc.record({ does: fc.constant('state' as const), consumer: name, sequence, state }),
  fc.record({ does: fc.constant('removeDead' as const), consumer: name, sequence }),
  fc.record({ does: fc.constant('remove' as const), consumer: name }),
  fc.record({ does: fc.constant('removeLanes' as const), consumer: name, from: fc.nat(2) }),
  fc.record({
    does: fc.constant('settle' as const),
    endpoint: fc.constantFrom('a', 'b'),
    number: fc.nat(9),
  }),
  fc.constant<Step>({ does: 'commit' }),
  fc.constant<Step>({ does: 'reopen' }),
);

/** Does the same to a state in a log of its own. */
function play(consumers: ShardConsumers, one: Step, diedAt: number): void {
  if (one.does === 'lane') consumers.put(lane(one.lane));
  else if (one.does === 'dead') consumers.putDead(dead({ ...one.event, diedAt }));
  else if (one.does === 'state') consumers.changeDead(one.consumer, one.sequence, one.state);
  else if (one.does === 'removeDead') consumers.removeDead(one.consumer, one.sequence);
  else if (one.does === 'remove') while (consumers.remove(one.consumer));
  else if (one.does === 'removeLanes') consumers.removeLanes(one.consumer, one.from);
}

describe('the state of consumers in a journal', () => {
  test('property: is what a log of its own has, for whoever takes it over', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const log = new SqliteShardLog({ file: ':memory:', shard: 0 });
        const kept = new Kept();
        const settled = new Map<string, number>();
        let consumers = new JournaledConsumers(0, kept.entries, NO_RECORD);
        for (const [index, one] of steps.entries()) {
          play(log.consumers, one, index);
          play(consumers, one, index);
          if (one.does === 'settle') {
            consumers.settle(one.endpoint, one.number);
            settled.set(one.endpoint, one.number);
            if (one.number === 0) settled.delete(one.endpoint);
          }
          if (one.does !== 'commit' && one.does !== 'reopen') continue;
          log.commit(false, []);
          kept.store(consumers);
          expect(consumers.takeEntry()).toBeUndefined();
          if (one.does === 'reopen') {
            consumers.close();
            consumers = new JournaledConsumers(0, kept.entries, NO_RECORD);
          }
          expect(seen(consumers)).toEqual(seen(log.consumers));
          expect(new Map(consumers.settled)).toEqual(settled);
        }
        consumers.close();
        log.close();
      }),
      { numRuns: 60 },
    );
  });

  test('is compacted when the journal has grown, with all that is there, the oldest letters first', () => {
    const kept = new Kept();
    const consumers = opened(kept);
    const open = new Uint8Array(MIB).fill(7);
    consumers.putDead(dead({ consumer: 'two', sequence: 9, diedAt: 1 }));
    consumers.putDead(dead({ sequence: 2, diedAt: 2, record: new Uint8Array(MIB).fill(1) }));
    consumers.putDead(dead({ sequence: 1, diedAt: 3, state: REDRIVEN }));
    consumers.settle('main', 17);
    for (let position = 1; kept.compactions === 0 && position < 20; position++) {
      consumers.put(lane({ position, open }));
      kept.store(consumers);
    }
    expect(kept.compactions).toBe(1);
    consumers.put(lane({ consumer: 'two', open: new Uint8Array() }));
    kept.store(consumers);
    const next = opened(kept);
    expect(seen(next)).toEqual(seen(consumers));
    expect([...next.settled]).toEqual([['main', 17]]);
    expect(next.lettersDue(10).map(({ sequence: of }) => of)).toEqual([9, 2]);
    const total = kept.entries.reduce((sum, { length }) => sum + length, 0);
    expect(total).toBeLessThan(3 * MIB);
  });

  test('keeps the record of an event that dies, if it is at hand', () => {
    const kept = new Kept();
    const consumers = opened(kept, (of) => (of === 3 ? Uint8Array.of(1, 2, 3) : undefined));
    consumers.putDead(dead({ sequence: 3 }));
    consumers.putDead(dead({ sequence: 4 }));
    kept.store(consumers);
    const next = opened(kept);
    expect([...(next.deadAt('one', 3)?.record ?? [])]).toEqual([1, 2, 3]);
    expect(next.deadAt('one', 4)?.record).toBeUndefined();
  });

  test('adds nothing where nothing was put', () => {
    const kept = new Kept();
    const consumers = opened(kept);
    kept.store(consumers);
    expect(kept.entries).toEqual([]);
  });
});

describe('an entry of the journal', () => {
  test('that is damaged anywhere is refused', () => {
    const entry = encodeEntry([
      { is: 'lane', lane: lane() },
      { is: 'dead', event: dead({ record: Uint8Array.of(5, 6) }) },
    ]);
    expect(decodeEntry(entry)).toEqual([
      { is: 'lane', lane: lane() },
      { is: 'dead', event: dead({ record: Uint8Array.of(5, 6) }) },
    ]);
    for (let at = 0; at < entry.length; at++) {
      const damaged = Uint8Array.from(entry);
      damaged[at]! ^= 0x10;
      expect(() => decodeEntry(damaged)).toThrow('damaged');
      expect(() => decodeEntry(entry.subarray(0, at))).toThrow('damaged');
    }
  });

  test('is not read by a version that does not know all of its changes', () => {
    const change = { is: 'moved', consumer: 'one' } as unknown as JournalChange;
    expect(() => opened({ ...new Kept(), entries: [encodeEntry([change])] } as Kept)).toThrow(
      'has a change, "moved", that this version of millrace does not know',
    );
  });
});
