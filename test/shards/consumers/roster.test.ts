/** The list of consumers and who is found by a topic, against a plain list. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConsumerEntry } from '../../../src/link/consumer-shapes.js';
import { matchesPattern } from '../../../src/protocol/topic.js';
import type { DeskConsumer } from '../../../src/shards/consumers/desk-consumer.js';
import { Roster } from '../../../src/shards/consumers/roster.js';
import { entryOf } from './rig.js';

/** As much of a consumer as the list knows. */
class Listed {
  readonly id: string;
  changes = 0;
  refuses: Error | undefined;
  prunedEvents = 0;

  constructor(public entry: ConsumerEntry) {
    this.id = entry.id;
  }

  refusal(): Error | undefined {
    return this.refuses;
  }

  change(entry: ConsumerEntry, prunedEvents: number): void {
    this.changes++;
    this.entry = entry;
    this.prunedEvents = prunedEvents;
  }
}

function made() {
  const gone: string[] = [];
  const came: string[] = [];
  const refused = new Set<string>();
  const host = {
    make: (entry: ConsumerEntry) => {
      if (refused.has(entry.id)) throw new Error(`no ${entry.id}`);
      came.push(entry.id);
      return new Listed(entry) as unknown as DeskConsumer;
    },
    gone: ({ id }: DeskConsumer) => void gone.push(id),
    prunedEvents: 7,
  };
  const roster = new Roster(host);
  const find = (id: string) => roster.byId.get(id) as unknown as Listed;
  return { roster, gone, came, refused, find };
}

const TOPICS = ['jobs.a', 'jobs.b', 'other.a'];
const entry = fc
  .record({
    id: fc.constantFrom('c1', 'c2', 'c3'),
    topics: fc.uniqueArray(fc.constantFrom('jobs.*', 'jobs.a', '*.a', 'other.a'), {
      minLength: 1,
      maxLength: 3,
    }),
    isPaused: fc.boolean(),
  })
  .map(({ id, topics, isPaused }) => entryOf({ filter: { topics } }, { id, isPaused }));
const list = fc.uniqueArray(entry, { selector: ({ id }) => id, maxLength: 3 });

function expectFound(roster: Roster, entries: readonly ConsumerEntry[]): void {
  for (const topic of TOPICS) {
    const wanted = entries.filter(({ definition }) =>
      definition.filter.topics.some((pattern) => matchesPattern(pattern, topic)),
    );
    const found = roster.matching(topic).map(({ id }) => id);
    expect(found.toSorted()).toEqual(wanted.map(({ id }) => id).toSorted());
  }
}

describe('the consumers of a shard', () => {
  it('are those of the list that came last, and each is found by its topics', () => {
    fc.assert(
      fc.property(fc.array(list, { minLength: 1, maxLength: 8 }), (lists) => {
        const { roster, gone, came, find } = made();
        let before: readonly ConsumerEntry[] = [];
        let order: string[] = [];
        for (const entries of lists) {
          const changes = new Map(before.map(({ id }) => [id, find(id).changes]));
          const known = new Map(before.map((one) => [one.id, JSON.stringify(one)]));
          roster.apply(entries);
          const ids = entries.map(({ id }) => id);
          order = order.filter((id) => ids.includes(id));
          order.push(...ids.filter((id) => !order.includes(id)));
          expect(roster.listed.map(({ id }) => id)).toEqual(order);
          expect([...roster.byId.keys()]).toEqual(order);
          expect(came.splice(0)).toEqual(ids.filter((id) => !known.has(id)));
          expect(gone.splice(0).toSorted()).toEqual(
            [...known.keys()].filter((id) => !ids.includes(id)).toSorted(),
          );
          for (const one of entries) {
            const text = known.get(one.id);
            const isChanged = text !== undefined && text !== JSON.stringify(one);
            expect(find(one.id).changes).toBe((changes.get(one.id) ?? 0) + (isChanged ? 1 : 0));
            expect(find(one.id).entry).toEqual(one);
            if (isChanged) expect(find(one.id).prunedEvents).toBe(7);
          }
          expectFound(roster, entries);
          before = entries;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('stay as they are where one of them refuses its change, or one cannot be made', () => {
    const { roster, gone, came, refused, find } = made();
    const [one, two, three] = ['c1', 'c2', 'c3'].map((id) => entryOf({}, { id })) as [
      ConsumerEntry,
      ConsumerEntry,
      ConsumerEntry,
    ];
    roster.apply([one, two]);
    came.length = 0;
    const paused = { ...two, isPaused: true };
    find('c2').refuses = new Error('busy');
    expect(() => roster.apply([paused, three])).toThrow('busy');
    expect([came, gone, find('c2').changes]).toEqual([[], [], 0]);
    // One that does not change is not asked.
    roster.apply([one, two]);
    find('c2').refuses = undefined;
    refused.add('c3');
    expect(() => roster.apply([paused, three])).toThrow('no c3');
    expect([came, gone, find('c2').changes, roster.listed.length]).toEqual([[], [], 0, 2]);
    expectFound(roster, [one, two]);
    // The same list is taken once it can be.
    refused.clear();
    roster.apply([paused, three]);
    expect([came, gone, find('c2').changes]).toEqual([['c3'], ['c1'], 1]);
    // One that is gone is made anew, also with the entry that it had.
    roster.apply([one, paused]);
    expect([came, gone]).toEqual([
      ['c3', 'c1'],
      ['c1', 'c3'],
    ]);
  });
});
