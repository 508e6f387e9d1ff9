import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesPattern } from '../../../src/protocol/topic.js';
import type { RetentionRule } from '../../../src/store/pruning.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import {
  append,
  check,
  compact,
  Gate,
  inTurn,
  KeepGame,
  type Kept,
  newDirectory,
  open,
  rounds,
  rowsOf,
} from './keep-game.js';

const RUNS = Number(process.env.MILLRACE_FUZZ_RUNS ?? 4);

/** The newest events of each topic, all of those from `from` on, in sequence order. */
function newest(kept: readonly Kept[], rule: RetentionRule, from = Infinity): Kept[] {
  const { pattern = '*', keepPerTopic = Infinity } = rule;
  const counts = new Map<string, number>();
  const left = [...kept].reverse().filter(({ topic, sequence }) => {
    const count = (counts.get(topic) ?? 0) + 1;
    counts.set(topic, count);
    return !matchesPattern(pattern, topic) || count <= keepPerTopic || sequence >= from;
  });
  return left.reverse();
}

describe('a rule that keeps events per topic', () => {
  it('keeps the newest of each topic, and tells nobody of a gap', () => {
    const dir = newDirectory();
    const rule = { pattern: 'state.*', keepPerTopic: 2 };
    let log = open(dir, [rule]);
    const topics = ['state.a', 'state.b', 'other'];
    let kept = append(log, inTurn(topics, 3000));
    kept.push(...append(log, ['state.rare']));
    compact(log);
    kept = newest(kept, rule);
    check(log, kept, [...topics, 'state.rare']);
    expect(log.topic('state.a')?.prunedThrough).toBe(0);
    log.close();
    log = open(dir, [rule]);
    check(log, kept, [...topics, 'state.rare']);
    kept.push(...append(log, ['state.rare', 'state.a', 'state.rare']));
    expect(compact(log)).toBe(1);
    check(log, newest(kept, rule), [...topics, 'state.rare']);
    log.close();
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('looks only at topics that have too many, in bounded steps', () => {
    const log = open(newDirectory(), [{ keepPerTopic: 1 }]);
    const topics = Array.from({ length: 5000 }, (_, n) => `t.${n}`);
    append(log, inTurn(topics, 10_000));
    expect(compact(log)).toBeGreaterThan(5000 / 1024);
    append(log, ['t.7', 't.4000']);
    expect(compact(log)).toBe(1);
    expect(log.pruning.totals('*').events).toBe(5000);
    log.close();
  });

  it('finds events that lie many blocks apart, also of topics that are found in none between', () => {
    const rule = { pattern: 'rare.*', keepPerTopic: 2 };
    const dir = newDirectory();
    let log = open(dir, [rule]);
    const kept: Kept[] = [];
    const rare = ['rare.a', 'rare.b'];
    for (let round = 0; round < 4; round++) {
      kept.push(...append(log, [...rare, ...inTurn(['often'], 40_000)]));
      while (log.maintain());
      compact(log);
    }
    const left = newest(kept, rule);
    check(log, left, rare);
    log.close();
    log = open(dir, [rule]);
    left.push(...append(log, rare));
    compact(log);
    check(log, newest(left, rule), rare);
    log.close();
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('leaves no long lists of topics behind in blocks of which little is left', () => {
    const dir = newDirectory();
    let log = open(dir, []);
    const topics = Array.from({ length: 6000 }, (_, n) => `t.${n}`);
    // Five blocks, in which each topic has several events.
    let kept = append(log, inTurn(topics, 5 * 16_384));
    kept.push(...append(log, inTurn(['other'], 16_384)));
    while (log.maintain());
    log.close();
    log = open(dir, [{ keepPerTopic: 1 }]);
    compact(log);
    kept = newest(kept, { keepPerTopic: 1 });
    const some = [0, 1, 17, 2191, 4000, 5999].map((n) => topics[n]!);
    check(log, kept, [...some, 'other']);
    log.close();
    expect([...verifyDirectory(dir)]).toEqual([]);
    const database = openDatabase(shardFile(dir, 0), { readonly: true });
    const blocks = database
      .prepare<[], [number, number]>(
        `SELECT sum(topic >= 0), max(CASE WHEN topic = -2 THEN length(sequences) / 4 END)
         FROM topic_index GROUP BY block`,
      )
      .raw()
      .all();
    database.close();
    expect(blocks.length).toBeGreaterThan(0);
    for (const [rows, listed] of blocks) expect(listed).toBeLessThanOrEqual(2 * rows + 1024);
    log = open(dir, [{ keepPerTopic: 1 }]);
    kept.push(...append(log, topics));
    compact(log);
    check(log, newest(kept, { keepPerTopic: 1 }), [...some, 'other']);
    log.close();
    expect([...verifyDirectory(dir)]).toEqual([]);
  });

  it('does not wait for a topic that the archive lacks, and says which event it wants', () => {
    const rule = { keepPerTopic: 1 };
    const log = open(newDirectory(), [rule]);
    let kept = append(log, [...inTurn(['a', 'b'], 10), ...inTurn(['c'], 10)]);
    const gate = new Gate(10);
    expect(compact(log, undefined, gate)).toBeLessThan(5);
    check(log, (kept = newest(kept, rule, 11)), ['a', 'b', 'c']);
    expect(gate.wanted).toBe(11);
    gate.wanted = 0;
    // It says so each time, for the asker forgets it.
    expect(compact(log, undefined, gate)).toBe(1);
    expect(gate.wanted).toBe(11);
    gate.through = 15;
    compact(log, undefined, gate);
    check(log, (kept = newest(kept, rule, 16)), ['a', 'b', 'c']);
    gate.through = 20;
    compact(log, undefined, gate);
    check(log, newest(kept, rule), ['a', 'b', 'c']);
    log.close();
  });

  it('keeps what a consumer needs, with every other limit and without', () => {
    const rule = { keepPerTopic: 1, untilConsumedBy: ['worker'] };
    const log = open(newDirectory(), [rule]);
    const kept = append(log, inTurn(['a', 'b'], 20));
    compact(log);
    check(log, kept, ['a', 'b']);
    compact(log, () => 8);
    check(log, newest(kept, rule, 8), ['a', 'b']);
    compact(log, () => 21);
    check(log, newest(kept, rule), ['a', 'b']);
    log.close();
  });

  it('keeps what the rules keep, through openings and deaths, and whatever holds it back', () => {
    const played = fc.property(rounds, (all) => new KeepGame().play(all));
    fc.assert(played, { numRuns: RUNS });
  }, 240_000);

  it('leaves a topic alone from a damaged event on, and no other', () => {
    const dir = newDirectory();
    append(open(dir, []), inTurn(['a', 'b'], 20));
    // The log is not closed, so that its successor has only the rows.
    const file = shardFile(dir, 0);
    const log = open(dir, [{ keepPerTopic: 1 }]);
    const database = openDatabase(file, {});
    database.prepare('UPDATE events SET topic = 2 WHERE sequence = 5').run();
    database.close();
    expect(() => compact(log)).toThrow(/event 5 is damaged.*nothing of topic a/);
    expect([...rowsOf(dir)]).toEqual([5, 7, 9, 11, 13, 15, 17, 19, 20]);
    log.close();
  });
});
