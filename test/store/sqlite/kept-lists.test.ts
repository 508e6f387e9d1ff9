import { expect, test } from 'vitest';
import { parseFilter } from '../../../src/protocol/filter.js';
import { openManifest } from '../../../src/store/directory/directory.js';
import { decodePage } from '../../../src/store/page.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openHistory, type SqliteHistory } from '../../../src/store/sqlite/reading/open-history.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

/** A reader of history keeps what it has found in a block: what it says later has to be what is there. */

const FILTER = parseFilter('j.*');
const PAGE_EVENTS = 500;

/** The sequences of all pages of these topics, read forwards or backwards. */
function read(history: SqliteHistory, head: number, reverse: boolean): number[] {
  const found: number[] = [];
  let [after, until] = [0, head];
  for (;;) {
    const range = { after, until, limit: PAGE_EVENTS, reverse, timeMs: 0 };
    const page = history.page(0, { filter: FILTER, ...range });
    decodePage(page, ({ sequence }) => {
      found.push(sequence);
    });
    if (page.done) return reverse ? found.reverse() : found;
    if (reverse) until = page.next;
    else after = page.next;
  }
}

test('a reader that goes on finds the events that are there, whatever came and went meanwhile', () => {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  const log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0 });
  const there = new Map<number, string>();
  const append = (count: number, topics: readonly string[]): void => {
    for (let n = 0; n < count; n++) {
      const topic = topics[n % topics.length]!;
      const sequence = log.head + 1 + (n % 1000);
      log.append(record({ topic, timestamp: 1 }), 0, 1);
      there.set(sequence, topic);
      if (n % 1000 === 999) log.commit(true, []);
    }
    log.commit(true, []);
    while (log.maintain());
  };
  const prune = (pattern: string, excessEvents: number): void => {
    let left = excessEvents;
    for (let after: number | undefined = 0; after !== undefined && left > 0; ) {
      const step = log.pruning.prune({ pattern, excessEvents: left, excessBytes: 0, after });
      left -= step.events;
      after = step.next;
    }
    const gone = [...there].filter(([, topic]) => pattern === '*' || topic === pattern);
    for (const [sequence] of gone.slice(0, excessEvents)) there.delete(sequence);
  };
  const history = openHistory({ dir });
  const check = (): void => {
    const wanted = [...there].filter(([, topic]) => topic.startsWith('j.')).map(([one]) => one);
    for (const reverse of [false, true]) expect(read(history, log.head, reverse)).toEqual(wanted);
  };
  append(INDEX_BLOCK_EVENTS + 5000, ['j.0', 'j.1', 'other', 'j.2']);
  check();
  // Topics that come later are in no block of before.
  append(INDEX_BLOCK_EVENTS, ['j.3', 'other', 'j.0']);
  check();
  prune('j.1', 2000);
  check();
  prune('*', 6000);
  check();
  prune('j.2', 100_000);
  check();
  history.close();
  log.close();
});
