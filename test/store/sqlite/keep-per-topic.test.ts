import { cpSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFilter } from '../../../src/protocol/filter.js';
import { matchesPattern } from '../../../src/protocol/topic.js';
import { openManifest } from '../../../src/store/directory/directory.js';
import { decodePage } from '../../../src/store/page.js';
import type { ArchiveGate, RetentionRule } from '../../../src/store/pruning.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

const BATCH = 4096;
const STEPS_MAX = 20_000;

interface Kept {
  readonly sequence: number;
  readonly topic: string;
}

class Gate implements ArchiveGate {
  wanted = 0;
  through: number;

  constructor(through: number) {
    this.through = through;
  }

  want(sequence: number): void {
    this.wanted = Math.max(this.wanted, sequence);
  }
}

function newDirectory(): string {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  return dir;
}

const open = (dir: string, retention: readonly RetentionRule[]): SqliteShardLog =>
  new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, retention });

/** Publishes an event on each topic in turn, recorded at 1 ms, 2 ms and so on. */
function append(log: SqliteShardLog, topics: Iterable<string>): Kept[] {
  const added: Kept[] = [];
  let sequence = log.head;
  for (const topic of topics) {
    sequence++;
    log.append(record({ topic, timestamp: sequence }), 0, sequence);
    added.push({ sequence, topic });
    if (added.length % BATCH === 0) log.commit(true, []);
  }
  log.commit(true, []);
  return added;
}

/** The number of steps until there is no more to do. */
function compact(
  log: SqliteShardLog,
  kept?: (rule: number) => number,
  gate?: ArchiveGate,
  now = 0,
): number {
  for (let steps = 1; steps <= STEPS_MAX; steps++)
    if (!log.pruning.pruneStep(now, kept, gate)) return steps;
  throw new Error('retention has no end');
}

function read(log: SqliteShardLog, topic: string): number[] {
  const found: number[] = [];
  for (let after = 0, done = false; !done; ) {
    const page = log.page({ after, limit: 10_000, filter: parseFilter({ topics: [topic] }) });
    decodePage(page, ({ sequence }) => found.push(sequence));
    after = page.next;
    done = page.done;
  }
  return found;
}

const sequencesOf = (kept: readonly Kept[], topic: string): number[] =>
  kept.filter((one) => one.topic === topic).map(({ sequence }) => sequence);

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

function check(log: SqliteShardLog, kept: readonly Kept[], topics: readonly string[]): void {
  for (const topic of topics) {
    const expected = sequencesOf(kept, topic);
    expect(read(log, topic)).toEqual(expected);
    const summary = log.topic(topic);
    expect([summary?.events ?? 0, summary?.firstSequence ?? 0]).toEqual([
      expected.length,
      expected[0] ?? 0,
    ]);
  }
}

function* inTurn(topics: readonly string[], events: number): Generator<string> {
  for (let n = 0; n < events; n++) yield topics[n % topics.length]!;
}

interface Round {
  /** The numbers of the topics that get an event each. */
  readonly events: readonly number[];
  /** So many events on one more topic, to fill blocks of the index. */
  readonly often: number;
  readonly maintains: boolean;
  /** Steps of retention before the end of the round. */
  readonly steps: number;
  /** Events that the consumer and the archive get to have. */
  readonly consumed: number;
  readonly archived: number;
  /** More time passes by so much. */
  readonly ageMs: number;
  readonly end: 'goes on' | 'closes' | 'dies';
  /** The rules from then on. */
  readonly rules: number;
}

const RULES: readonly (readonly RetentionRule[])[] = [
  [{ keepPerTopic: 1 }],
  [{ pattern: 'x.*', keepPerTopic: 3 }, { keepPerTopic: 7 }],
  [
    { keepPerTopic: 2, untilConsumedBy: ['one'] },
    { pattern: 'x.*', keepPerTopic: 5 },
  ],
  [{ keepPerTopic: 4 }, { pattern: 'y.*', maxAgeMs: 150 }],
  [{ keepPerTopic: 2, maxAgeMs: 200, untilConsumedBy: ['one'] }],
  [],
];
const TOPICS = Array.from({ length: 10 }, (_, n) => `${n % 2 === 0 ? 'x' : 'y'}.${n}`);

/** What is left: an event goes once any rule says so and nothing holds that rule back. */
function left(kept: readonly Kept[], rules: readonly RetentionRule[], now: number, world: World) {
  const ranks = new Map<string, number>();
  const found = [...kept].reverse().filter(({ topic, sequence }) => {
    const rank = (ranks.get(topic) ?? 0) + 1;
    ranks.set(topic, rank);
    if (sequence > world.gate.through) return true;
    return !rules.some((rule) => {
      const { pattern = '*', keepPerTopic = Infinity, maxAgeMs = Infinity } = rule;
      if (!matchesPattern(pattern, topic)) return false;
      if (rule.untilConsumedBy !== undefined && sequence >= world.needed) return false;
      return rank > keepPerTopic || sequence < now - maxAgeMs;
    });
  });
  return found.reverse();
}

interface World {
  readonly gate: Gate;
  needed: number;
}

/** Plays rounds on a log, and compares with a plain array at the end of each. */
function play(rounds: readonly Round[]): void {
  let dir = newDirectory();
  let rules = RULES[0]!;
  let log = open(dir, rules);
  let kept: Kept[] = [];
  let later = 0;
  const world: World = { gate: new Gate(0), needed: 1 };
  for (const round of rounds) {
    const topics = round.events.map((topic) => TOPICS[topic]!);
    kept.push(...append(log, [...topics, ...inTurn(['often'], round.often)]));
    if (round.maintains) while (log.maintain());
    world.needed += round.consumed;
    world.gate.through += round.archived;
    later += round.ageMs;
    const now = log.head + later;
    const before = log.pruning.totals('*').events;
    for (let step = 0; step < round.steps; step++) {
      if (!log.pruning.pruneStep(now, () => world.needed, world.gate)) break;
    }
    expect(log.pruning.totals('*').events).toBeLessThanOrEqual(before);
    if (round.end !== 'goes on') {
      if (round.end === 'closes') log.close();
      else {
        // A copy, as a killed process leaves the log.
        const copy = temporaryDirectory();
        cpSync(dir, copy, { recursive: true });
        log.close();
        dir = copy;
      }
      // What the old rules were about to remove counts no more.
      const rows = rowsOf(dir);
      const wanted = left(kept, rules, now, world);
      expect(wanted.filter(({ sequence }) => !rows.has(sequence))).toEqual([]);
      kept = kept.filter(({ sequence }) => rows.has(sequence));
      rules = RULES[round.rules]!;
      log = open(dir, rules);
    }
    compact(log, () => world.needed, world.gate, now);
    kept = left(kept, rules, now, world);
    check(log, kept, [...TOPICS, 'often']);
  }
  log.close();
  expect([...verifyDirectory(dir)]).toEqual([]);
}

function rowsOf(dir: string): Set<number> {
  const database = openDatabase(shardFile(dir, 0), { readonly: true });
  const rows = database.prepare<[], number>('SELECT sequence FROM events').pluck().all();
  database.close();
  return new Set(rows);
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
    const round = fc.record({
      events: fc.array(fc.nat(9), { maxLength: 300 }),
      often: fc.constantFrom(0, 0, 0, 20_000),
      maintains: fc.boolean(),
      steps: fc.constantFrom(0, 1, 3, STEPS_MAX),
      consumed: fc.nat(400),
      archived: fc.nat(400),
      ageMs: fc.constantFrom(0, 0, 100),
      end: fc.constantFrom<Round['end']>('goes on', 'closes', 'dies'),
      rules: fc.nat(RULES.length - 1),
    });
    const rounds = fc.array(round, { minLength: 1, maxLength: 6 });
    fc.assert(fc.property(rounds, play), { numRuns: 8 });
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
