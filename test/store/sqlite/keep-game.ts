/**
 * Here is how it works: rounds of publishes and of steps of retention on a log, with openings, deaths, a full disk, and
 * consumers and an archive that hold events back. At the end of each round everything that is due is removed, and the log
 * is compared with a plain array. In the end `verify` finds nothing.
 */
import { cpSync } from 'node:fs';
import fc from 'fast-check';
import { expect } from 'vitest';
import { parseFilter } from '../../../src/protocol/filter.js';
import { matchesPattern } from '../../../src/protocol/topic.js';
import { openManifest } from '../../../src/store/directory/directory.js';
import { decodePage } from '../../../src/store/page.js';
import type { ArchiveGate, RetentionRule } from '../../../src/store/pruning.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { TopicTable } from '../../../src/store/sqlite/index/topic-table.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

const BATCH = 4096;
export const STEPS_MAX = 20_000;

export interface Kept {
  readonly sequence: number;
  readonly topic: string;
}

/** The classes that the game plays with. */
export interface Store {
  readonly SqliteShardLog: typeof SqliteShardLog;
  readonly TopicTable: typeof TopicTable;
}

const OWN: Store = { SqliteShardLog, TopicTable };

export class Gate implements ArchiveGate {
  wanted = 0;
  through: number;

  constructor(through: number) {
    this.through = through;
  }

  want(sequence: number): void {
    this.wanted = Math.max(this.wanted, sequence);
  }
}

export function newDirectory(): string {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  return dir;
}

/** Opens the log. No time passes for it unless `elapsed` says so, so that its steps are the same each time. */
export function open(
  dir: string,
  retention: readonly RetentionRule[],
  elapsed: () => number = () => 0,
  store: Store = OWN,
): SqliteShardLog {
  const file = shardFile(dir, 0);
  return new store.SqliteShardLog({ file, shard: 0, retention, elapsed });
}

/** Publishes an event on each topic in turn, recorded at 1 ms, 2 ms and so on. */
export function append(log: SqliteShardLog, topics: Iterable<string>): Kept[] {
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
export function compact(
  log: SqliteShardLog,
  kept?: (rule: number) => number,
  gate?: ArchiveGate,
  now = 0,
): number {
  for (let steps = 1; steps <= STEPS_MAX; steps++)
    if (!log.pruning.pruneStep(now, kept, gate)) return steps;
  throw new Error('retention has no end');
}

export function read(log: SqliteShardLog, topic: string): number[] {
  const found: number[] = [];
  for (let after = 0, done = false; !done; ) {
    const page = log.page({ after, limit: 10_000, filter: parseFilter({ topics: [topic] }) });
    decodePage(page, ({ sequence }) => found.push(sequence));
    after = page.next;
    done = page.done;
  }
  return found;
}

export const sequencesOf = (kept: readonly Kept[], topic: string): number[] =>
  kept.filter((one) => one.topic === topic).map(({ sequence }) => sequence);

export function check(log: SqliteShardLog, kept: readonly Kept[], topics: readonly string[]): void {
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

export function* inTurn(topics: readonly string[], events: number): Generator<string> {
  for (let n = 0; n < events; n++) yield topics[n % topics.length]!;
}

export interface Round {
  /** The numbers of the topics that get an event each. */
  readonly events: readonly number[];
  /** So many events on one more topic, to fill blocks of the index. */
  readonly often: number;
  readonly maintains: boolean;
  /** Steps of retention before the end of the round. */
  readonly steps: number;
  /** How much time passes whenever a step asks, ms. */
  readonly tickMs: number;
  /** The disk is full when a step has written so many topics; 0: it is not. */
  readonly fullAfter: number;
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
  [{ keepPerTopic: 7 }, { pattern: 'x.*', keepPerTopic: 3 }],
  [
    { keepPerTopic: 2, untilConsumedBy: ['one'] },
    { pattern: 'x.*', keepPerTopic: 5 },
  ],
  [{ keepPerTopic: 4 }, { pattern: 'y.*', maxAgeMs: 150 }],
  [{ keepPerTopic: 2, maxAgeMs: 200, untilConsumedBy: ['one'] }],
  [],
];
const TOPICS = Array.from({ length: 10 }, (_, n) => `${n % 2 === 0 ? 'x' : 'y'}.${n}`);

const some = fc.oneof(fc.nat(400), fc.constant(30_000));
const round: fc.Arbitrary<Round> = fc.record({
  events: fc.array(fc.nat(9), { maxLength: 300 }),
  often: fc.constantFrom(0, 0, 0, 0, 0, 17_000),
  maintains: fc.boolean(),
  steps: fc.constantFrom(0, 1, 3, STEPS_MAX),
  tickMs: fc.constantFrom(0, 0, 2, 6),
  fullAfter: fc.constantFrom(0, 0, 1, 3, 9),
  consumed: some,
  archived: some,
  ageMs: fc.constantFrom(0, 0, 100),
  end: fc.constantFrom<Round['end']>('goes on', 'closes', 'dies'),
  rules: fc.nat(RULES.length - 1),
});
export const rounds: fc.Arbitrary<Round[]> = fc.array(round, { minLength: 1, maxLength: 6 });

/** A game on one directory. */
export class KeepGame {
  readonly #store: Store;
  readonly #gate = new Gate(0);
  #needed = 1;
  #dir = newDirectory();
  #rules = RULES[0]!;
  #now = 0;
  #tickMs = 0;
  #elapsedMs = 0;
  #kept: Kept[] = [];
  /** Of each topic, the last event that another limit than `keepPerTopic` has let go. */
  readonly #lost = new Map<string, number>();
  #log: SqliteShardLog;

  constructor(store: Store = OWN) {
    this.#store = store;
    this.#log = this.#open();
  }

  play(all: readonly Round[]): void {
    let later = 0;
    try {
      for (const one of all) {
        later += one.ageMs;
        this.#round(one, later);
      }
    } finally {
      this.#log.close();
    }
    expect([...verifyDirectory(this.#dir)]).toEqual([]);
  }

  #open(): SqliteShardLog {
    const elapsed = (): number => (this.#elapsedMs += this.#tickMs);
    return open(this.#dir, this.#rules, elapsed, this.#store);
  }

  #round(one: Round, later: number): void {
    this.#tickMs = one.tickMs;
    const topics = one.events.map((topic) => TOPICS[topic]!);
    this.#kept.push(...append(this.#log, [...topics, ...inTurn(['often'], one.often)]));
    if (one.maintains) while (this.#log.maintain());
    this.#needed += one.consumed;
    this.#gate.through += one.archived;
    this.#now = this.#log.head + later;
    this.#steps(one);
    if (one.end !== 'goes on') this.#reopen(one);
    this.#tickMs = 0;
    compact(this.#log, () => this.#needed, this.#gate, this.#now);
    this.#kept = this.#left();
    this.#check();
  }

  #steps({ steps, fullAfter }: Round): void {
    const before = this.#log.pruning.totals('*').events;
    for (let step = 0; step < steps; step++) {
      const fill = fullAfter > 0 && step === 0;
      const isFull = fill && this.#onFullDisk(fullAfter, () => this.#step());
      if (!isFull && !this.#step()) break;
    }
    expect(this.#log.pruning.totals('*').events).toBeLessThanOrEqual(before);
  }

  #step(): boolean {
    return this.#log.pruning.pruneStep(this.#now, () => this.#needed, this.#gate);
  }

  /** Does a step on a disk that gets full, and stays so when the log has given up its reserve. True if it was met. */
  #onFullDisk(after: number, step: () => unknown): boolean {
    const { prototype } = this.#store.TopicTable;
    const { write } = prototype;
    let calls = 0;
    let isMet = false;
    prototype.write = function (...args) {
      if (++calls > after) {
        isMet = true;
        const failure = { code: 'ENOSPC', syscall: 'write' };
        throw Object.assign(new Error('the disk is full'), failure);
      }
      write.apply(this, args);
    };
    try {
      step();
    } catch (error) {
      expect(error).toMatchObject({ code: 'STORE_FULL' });
    } finally {
      prototype.write = write;
    }
    return isMet;
  }

  /** Opens the log again, with other rules, after its end. */
  #reopen({ end, rules }: Round): void {
    if (end === 'closes') this.#log.close();
    else {
      // A copy, as a killed process leaves the log.
      const copy = temporaryDirectory();
      cpSync(this.#dir, copy, { recursive: true });
      this.#log.close();
      this.#dir = copy;
    }
    // What the old rules were about to remove counts no more.
    const rows = rowsOf(this.#dir);
    expect(this.#left().filter(({ sequence }) => !rows.has(sequence))).toEqual([]);
    this.#kept = this.#kept.filter(({ sequence }) => rows.has(sequence));
    this.#rules = RULES[rules]!;
    this.#log = this.#open();
  }

  /** What is left: an event goes once any rule says so and nothing holds that rule back. */
  #left(): Kept[] {
    const ranks = new Map<string, number>();
    const found = [...this.#kept].reverse().filter(({ topic, sequence }) => {
      const rank = (ranks.get(topic) ?? 0) + 1;
      ranks.set(topic, rank);
      if (sequence > this.#gate.through) return true;
      const mayGo = this.#rules.filter(({ pattern = '*', untilConsumedBy }) => {
        const isNeeded = untilConsumedBy !== undefined && sequence >= this.#needed;
        return matchesPattern(pattern, topic) && !isNeeded;
      });
      const isLost = mayGo.some(({ maxAgeMs = Infinity }) => sequence < this.#now - maxAgeMs);
      if (isLost) this.#lost.set(topic, Math.max(this.#lost.get(topic) ?? 0, sequence));
      return !isLost && !mayGo.some(({ keepPerTopic = Infinity }) => rank > keepPerTopic);
    });
    return found.reverse();
  }

  #check(): void {
    const topics = [...TOPICS, 'often'];
    check(this.#log, this.#kept, topics);
    expect(this.#log.pruning.totals('*').events).toBe(this.#kept.length);
    for (const topic of topics) {
      // What compaction alone has removed is told to nobody.
      expect(this.#log.topic(topic)?.prunedThrough ?? 0).toBeLessThanOrEqual(
        this.#lost.get(topic) ?? 0,
      );
    }
  }
}

export function rowsOf(dir: string): Set<number> {
  const database = openDatabase(shardFile(dir, 0), { readonly: true });
  const rows = database.prepare<[], number>('SELECT sequence FROM events').pluck().all();
  database.close();
  return new Set(rows);
}
