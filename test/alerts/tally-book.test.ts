import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TallyBook } from '../../src/alerts/tally-book.js';
import type { TallyQuestion, TallyReport } from '../../src/alerts/watched-bus.js';

const FILTERS = ['a', 'b', 'c'].map((topic) => ({ topics: [topic] }));
const SHARDS = 2;

/** A shard that counts as the real one does; a new thread counts from 0. */
class FakeShard {
  thread = 1;
  #version = 0;
  #counts = new Map<string, number>();

  publish(topic: string): boolean {
    const count = this.#counts.get(topic);
    if (count === undefined) return false;
    this.#counts.set(topic, count + 1);
    return true;
  }

  die(): void {
    this.thread++;
    this.#version = 0;
    this.#counts = new Map();
  }

  answer({ version, filters }: TallyQuestion): TallyReport {
    if (version !== this.#version) {
      const topics = filters.map(({ topics: [topic] }) => topic!);
      this.#counts = new Map(topics.map((topic) => [topic, this.#counts.get(topic) ?? 0]));
      this.#version = version;
    }
    const tallies = [...this.#counts].map(([lastTopic, events]) =>
      events === 0 ? { events } : { events, lastTopic, lastSequence: events },
    );
    return { thread: this.thread, position: 0, tallies };
  }
}

type Step =
  | { readonly publish: string; readonly shard: number }
  | { readonly ask: number }
  | { readonly die: number }
  | { readonly watch: readonly string[] };

const shard = fc.nat({ max: SHARDS - 1 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ publish: fc.constantFrom('a', 'b', 'c'), shard }) },
    { weight: 3, arbitrary: fc.record({ ask: shard }) },
    { weight: 1, arbitrary: fc.record({ die: shard }) },
    { weight: 1, arbitrary: fc.record({ watch: fc.subarray(['a', 'b', 'c']) }) },
  ),
  { maxLength: 80, size: 'max' },
);

describe('the totals of what shards count', () => {
  it('lose and repeat nothing that a shard has told, over changes of rules and deaths of threads', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const book = new TallyBook();
        const shards = Array.from({ length: SHARDS }, () => new FakeShard());
        /** Per shard and topic, events that a shard has counted and not told yet. */
        const untold = shards.map(() => new Map<string, number>());
        let totals = new Map<string, number>();
        for (const step of given) {
          if ('publish' in step) {
            const { publish: topic, shard: at } = step;
            const counts = shards[at]!.publish(topic);
            if (counts) untold[at]!.set(topic, (untold[at]!.get(topic) ?? 0) + 1);
          } else if ('die' in step) {
            shards[step.die]!.die();
            untold[step.die]!.clear();
          } else if ('watch' in step) {
            book.watch(FILTERS.filter(({ topics: [topic] }) => step.watch.includes(topic!)));
            totals = new Map(step.watch.map((topic) => [topic, totals.get(topic) ?? 0]));
          } else if (book.hasQuestion) {
            const { question, take } = book.ask(step.ask);
            take(shards[step.ask]!.answer(question));
            for (const [topic, count] of untold[step.ask]!) {
              if (totals.has(topic)) totals.set(topic, totals.get(topic)! + count);
            }
            untold[step.ask]!.clear();
          }
          for (const filter of FILTERS) {
            expect(book.total(filter).events).toBe(totals.get(filter.topics[0]!) ?? 0);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('have nothing to ask once no rule is left and every shard knows that', () => {
    const book = new TallyBook();
    expect(book.hasQuestion).toBe(false);
    book.watch(FILTERS);
    const shardOf = new FakeShard();
    const ask = (): void => {
      const { question, take } = book.ask(0);
      take(shardOf.answer(question));
    };
    ask();
    book.watch([]);
    expect(book.hasQuestion).toBe(true);
    ask();
    expect(book.hasQuestion).toBe(false);
  });
});
