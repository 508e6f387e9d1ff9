import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds, propertyTimeoutMs } from '../bus/support/properties.js';
import { temporaryDirectory } from '../store/directories.js';
import { ArchivedLog, DyingTarget, lineageOf, RULES } from './archived-log.js';

/** Whatever happens to the archiver, a reader from the beginning gets every event once, in order. */
const TOPICS = ['a.one', 'a.two', 'b.one', 'c'];

type Step =
  | { readonly do: 'publish'; readonly topics: readonly string[] }
  | { readonly do: 'retain' | 'archive' | 'settle' | 'reopen' }
  | { readonly do: 'remove'; readonly pattern: string; readonly events: number }
  | { readonly do: 'die'; readonly after: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      topics: fc.array(fc.constantFrom(...TOPICS), { minLength: 1, maxLength: 60 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('retain' as const, 'archive' as const, 'settle' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('remove' as const),
      pattern: fc.constantFrom('*', 'a.*', 'c'),
      events: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('die' as const), after: fc.nat({ max: 12 }) }),
  },
);

const RETENTION = [{ pattern: 'a.*', maxEvents: 5 }, { maxEvents: 20 }];

describe('a log with an archive', () => {
  test(
    'gives every event once and in order, whenever its archiver dies',
    async () => {
      const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const dir = temporaryDirectory();
        const target = new DyingTarget(temporaryDirectory());
        const lineage = lineageOf();
        const open = (): ArchivedLog => new ArchivedLog(dir, target, RETENTION, RULES, lineage);
        const published: string[] = [];
        let log = open();
        await log.archiver.start();
        for (const one of steps) {
          if (one.do === 'publish') {
            log.publishAll(one.topics, (sequence) => ({ n: sequence, pad: 'x'.repeat(80) }));
            published.push(...one.topics);
          } else if (one.do === 'retain') log.retain();
          else if (one.do === 'archive') await log.archive();
          else if (one.do === 'settle') await log.settle();
          else if (one.do === 'remove') log.remove(one.pattern, one.events);
          else {
            if (one.do === 'die') {
              target.left = one.after;
              await log.settle().catch(() => {});
              // The shard's thread goes on while the archiver's is dead.
              while (log.retain());
              target.left = Number.POSITIVE_INFINITY;
            }
            log.close();
            log = open();
            await log.archiver.start();
          }
          await expectAll(log, published);
        }
        await log.settle();
        await expectAll(log, published);
        log.close();
      });
      await holds(property, 30);
    },
    propertyTimeoutMs(30),
  );
});

async function expectAll(log: ArchivedLog, topics: readonly string[]): Promise<void> {
  const all = topics.map((topic, index) => `${index + 1} ${topic}`);
  const named = ({ events }: { events: { sequence: number; topic: string }[] }): string[] =>
    events.map(({ sequence, topic }) => `${sequence} ${topic}`);
  const forward = await log.read();
  expect(named(forward)).toEqual(all);
  expect(forward.lost).toEqual([]);
  expect(named(await log.read({ reverse: true }))).toEqual([...all].reverse());
  const filter = { topics: ['a.*'] };
  expect(named(await log.read({ filter }))).toEqual(all.filter((one) => one.includes(' a.')));
  const since = Math.ceil(topics.length / 2);
  expect(named(await log.read({ sinceMs: since }))).toEqual(all.slice(Math.max(0, since - 1)));
  expect(named(await log.read({ untilMs: since }))).toEqual(all.slice(0, Math.max(0, since - 1)));
}
