import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ITSELF } from '../../../src/endpoint/asker.js';
import { mergedPages, ShardPage } from '../../../src/endpoint/read/merged-pages.js';
import { RecordDecoder } from '../../../src/endpoint/read/record-decoder.js';
import { PAGE_PREFIX_BYTES, type Page } from '../../../src/store/page.js';
import { record } from '../../store/records.js';

/** By shard, the pages of its history: of each event its place in time. */
type Histories = readonly (readonly (readonly number[])[])[];

function pageOf(times: readonly number[], first: number): Page {
  const records = times.map((time, at) => {
    const prefix = Buffer.alloc(PAGE_PREFIX_BYTES);
    prefix.writeDoubleLE(first + at, 0);
    prefix.writeDoubleLE(time, 8);
    return Buffer.concat([prefix, record({})]);
  });
  const bytes = new Uint8Array(Buffer.concat(records)).buffer;
  return { records: bytes, count: times.length, next: 0, done: false, head: 0, prunedThrough: 0 };
}

async function* shard(
  at: number,
  pages: readonly (readonly number[])[],
  onEnd: () => void,
): AsyncGenerator<ShardPage> {
  const decoder = new RecordDecoder(ITSELF);
  let sequence = 1;
  try {
    for (const times of pages) {
      // Every third one is passed over.
      yield new ShardPage(at, pageOf(times, sequence), decoder, (one) => one.sequence % 3 !== 0);
      sequence += times.length;
    }
  } finally {
    onEnd();
  }
}

/** What comes out, the shard and the sequence of each, of which at most so many of each page are taken. */
async function merged(histories: Histories, reverse: boolean, most: number) {
  let ended = 0;
  const sources = histories.map((pages, at) => shard(at, pages, () => ended++));
  const found: string[] = [];
  for await (const events of mergedPages(sources, reverse)) {
    let taken = 0;
    for (const { shard: of, sequence } of events) {
      found.push(`${of}:${sequence}`);
      if (++taken === most) break;
    }
  }
  return { found, ended };
}

/** The same, all at once: by time, those of the same time by shard. */
function expected(histories: Histories, reverse: boolean): string[] {
  const all = histories.flatMap((pages, at) =>
    pages
      .flat()
      .map((time, n) => ({ at, time, sequence: n + 1 }))
      .filter(({ sequence }) => sequence % 3 !== 0),
  );
  all.sort(
    (a, b) =>
      (reverse ? b.time - a.time : a.time - b.time) || a.at - b.at || a.sequence - b.sequence,
  );
  return all.map(({ at, sequence }) => `${at}:${sequence}`);
}

const histories = (reverse: boolean): fc.Arbitrary<number[][][]> =>
  fc.array(
    fc.array(fc.array(fc.nat(20), { maxLength: 6 }), { maxLength: 4 }).map((pages) => {
      const times = pages.flat().sort((a, b) => (reverse ? b - a : a - b));
      return pages.map((page) => times.splice(0, page.length));
    }),
    { maxLength: 4 },
  );

test.each([false, true])(
  'property: shards are merged by time, however their pages are cut (reverse: %s)',
  async (reverse) => {
    await fc.assert(
      fc.asyncProperty(
        histories(reverse),
        fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
        async (all, most) => {
          const { found, ended } = await merged(all, reverse, most);
          expect(found).toEqual(expected(all, reverse));
          expect(ended).toBe(all.length);
        },
      ),
      { numRuns: 300 },
    );
  },
);

test('a merge that is left ends its sources', async () => {
  let ended = 0;
  const sources = [[[1, 2]], [[1], [2]]].map((pages, at) => shard(at, pages, () => ended++));
  for await (const _ of mergedPages(sources, false)) break;
  expect(ended).toBe(2);
});
