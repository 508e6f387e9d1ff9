import { describe, expect, it } from 'vitest';
import { openForWriting } from '../../../src/store/sqlite/connection/schema.js';
import type { Database } from '../../../src/store/sqlite/driver/driver.js';
import { IndexKeeper } from '../../../src/store/sqlite/index/index-keeper.js';
import { TopicIndexWriter } from '../../../src/store/sqlite/index/topic-index.js';
import { TopicTable } from '../../../src/store/sqlite/index/topic-table.js';
import { readMeta } from '../../../src/store/sqlite/tables/meta-table.js';
import { INDEX_BLOCK_EVENTS } from '../../../src/store/sqlite/tables/tables.js';

const TOPICS = 5;
const BLOCKS = 8;

interface TotalsRow {
  events: number;
  through: number;
}

function rowsOf(database: Database): TotalsRow[] {
  return database.prepare<[], TotalsRow>('SELECT events, through FROM topics').all();
}

describe('the totals of topics', () => {
  it('are restored when a transaction that pruned and wrote them is rolled back', () => {
    const database = openForWriting(':memory:', 0);
    const topics = new TopicTable(database, 1, () => [0]);
    const entry = topics.findOrAdd('a');
    topics.commit();
    for (let sequence = 1; sequence <= 3; sequence++) topics.count(entry, sequence, 1000, 50);
    const { before: _, ...expected } = structuredClone(entry);
    topics.uncount(entry, { sequence: 1, bytes: 50, isOldest: true }, true);
    topics.write(entry, 3);
    expect([entry.events, topics.ruleEvents[0], topics.ruleBytes[0]]).toEqual([2, 2, 100]);
    topics.rollback();
    expect({ ...entry, before: undefined, batch: expected.batch }).toEqual({
      ...expected,
      before: undefined,
    });
    expect([topics.ruleEvents[0], topics.ruleBytes[0]]).toEqual([3, 150]);
    database.close();
  });

  it('are all written in the end, even if some were written in a rolled-back transaction', () => {
    const database = openForWriting(':memory:', 0);
    const topics = new TopicTable(database);
    const keeper = new IndexKeeper(database, new TopicIndexWriter(database, 0), topics);
    const ids = Array.from({ length: TOPICS }, (_, topic) => topics.findOrAdd(`t.${topic}`).id);
    let head = 0;
    for (let block = 0; block < BLOCKS; block++) {
      const before = head;
      for (let i = 0; i < INDEX_BLOCK_EVENTS; i++) {
        keeper.note(++head, 1000, ids[head % TOPICS]!, 50, false, 0);
      }
      keeper.commit(before, head);
      keeper.maintain(head);
    }
    expect(rowsOf(database).every((row) => row.through === 0)).toBe(true);
    database.exec('BEGIN');
    keeper.step(2, head);
    database.exec('ROLLBACK');
    topics.rollback();
    keeper.rollback();
    while (keeper.isDue(head)) keeper.maintain(head);
    expect(readMeta(database, 'totals_blocks')).toBe(BLOCKS);
    const rows = rowsOf(database);
    expect(rows.map((row) => row.through)).toEqual(new Array(TOPICS).fill(head));
    expect(rows.reduce((sum, row) => sum + row.events, 0)).toBe(head);
    database.close();
  });
});
