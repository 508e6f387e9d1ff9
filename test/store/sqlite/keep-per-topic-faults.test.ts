/**
 * Faults that are planted in removals and compaction: the game has to find each, or it would not find the fault that
 * nobody planted.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TopicTable } from '../../../src/store/sqlite/index/topic-table.js';
import type { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import type { Mutation } from '../../support/changed-text.js';
import { KeepGame, rounds, type Store } from './keep-game.js';
import { type Importer, withMutated } from './mutated-store.js';

interface Fault extends Mutation {
  readonly is: string;
}

const FAULTS: readonly Fault[] = [
  {
    is: 'a removal takes the events between its rows too',
    file: 'retention/removal',
    from: 'if (next !== undefined && next.sequence === sequence + 1)',
    to: 'if (next !== undefined && next.sequence <= sequence + 2)',
  },
  {
    is: 'a removal does not note which sequences it took',
    file: 'retention/removal',
    from: 'this.#pruned.add(rows[first].sequence, sequence);',
    to: 'this.#pruned.add(sequence, sequence);',
  },
  {
    is: 'compaction is told as a gap',
    file: 'retention/removal',
    from: 'this.#topics.uncount(entry, row, isLoss);',
    to: 'this.#topics.uncount(entry, row, true);',
  },
  {
    is: 'a removal that failed has changed the totals',
    file: 'retention/removal',
    from: 'this.#topics.rollback();',
    to: 'this.#topics.commit();',
  },
  {
    is: 'a topic is crowded one event late',
    file: 'index/crowded-topics',
    from: 'if (events > keep === before > keep)',
    to: 'if (events > keep + 1 === before > keep + 1)',
  },
  {
    is: 'a topic that became crowded again is not looked at',
    file: 'index/crowded-topics',
    from: 'if (events > keep === before > keep)',
    to: 'if (events > keep === before > keep || (events > keep && entry.goneThrough > 0))',
  },
];

async function loadStore(load: Importer): Promise<Store> {
  const log = await load<{ SqliteShardLog: typeof SqliteShardLog }>('sqlite-shard-log.js');
  const table = await load<{ TopicTable: typeof TopicTable }>('index/topic-table.js');
  return { SqliteShardLog: log.SqliteShardLog, TopicTable: table.TopicTable };
}

/** Whether a game fails with the fault. */
async function isFound(mutation: Mutation | undefined, numRuns: number): Promise<boolean> {
  return await withMutated(mutation, async (load) => {
    const store = await loadStore(load);
    const played = fc.property(rounds, (all) => new KeepGame(store).play(all));
    return fc.check(played, { numRuns, seed: 7, endOnFailure: true }).failed;
  });
}

describe('the game of keepPerTopic', () => {
  it('finds nothing in the log as it is', async () => {
    expect(await isFound(undefined, 2)).toBe(false);
  }, 120_000);

  it.each(FAULTS)(
    'finds that $is',
    async (fault) => {
      expect(await isFound(fault, 60)).toBe(true);
    },
    120_000,
  );
});
