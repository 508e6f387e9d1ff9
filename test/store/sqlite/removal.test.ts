import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFilter } from '../../../src/protocol/filter.js';
import { openManifest } from '../../../src/store/directory/directory.js';
import { decodePage } from '../../../src/store/page.js';
import {
  openForWriting,
  readHead,
  shardFile,
} from '../../../src/store/sqlite/connection/schema.js';
import { DeadTable } from '../../../src/store/sqlite/consumers/dead-table.js';
import { TopicTable } from '../../../src/store/sqlite/index/topic-table.js';
import { LogPayloads } from '../../../src/store/sqlite/payloads/log-payloads.js';
import { type DoomedRow, Removal } from '../../../src/store/sqlite/retention/removal.js';
import { RowLook } from '../../../src/store/sqlite/retention/row-look.js';
import { ExpiryTable } from '../../../src/store/sqlite/rows/expiry-table.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

const TOPICS = ['a', 'b', 'c', 'rare'];
const BATCH = 4096;

interface Kept {
  readonly sequence: number;
  readonly topic: string;
}

const open = (dir: string): SqliteShardLog =>
  new SqliteShardLog({ file: shardFile(dir, 0), shard: 0 });

const topicOf = (n: number): string => (n % 5000 === 0 ? 'rare' : TOPICS[n % 3]!);

function append(dir: string, kept: Kept[], events: number): void {
  const log = open(dir);
  for (let left = events; left > 0; left -= BATCH) {
    for (let n = Math.min(left, BATCH); n > 0; n--) {
      const sequence = log.head + 1 + Math.min(left, BATCH) - n;
      const topic = topicOf(sequence);
      const id = sequence % 7 === 0 ? `own-${sequence}` : undefined;
      log.append(record({ topic, timestamp: sequence, ...(id && { id }) }), 0, sequence);
      kept.push({ sequence, topic });
    }
    log.commit(true, []);
  }
  while (log.maintain());
  log.close();
}

/** Removes events in the log's own file, between two openings. Marks as the oldest of its topic what `tells` says. */
function remove(
  dir: string,
  kept: readonly Kept[],
  doomed: ReadonlySet<number>,
  tells: boolean,
  isLoss: boolean,
) {
  const database = openForWriting(shardFile(dir, 0), 0);
  const topics = new TopicTable(database);
  topics.load();
  const room = { bytesBeside: 0, fitsBeside: () => true };
  const { claimed: payloads } = new LogPayloads(database, { room });
  const dead = new DeadTable(database, () => undefined);
  const expiries = new ExpiryTable(database);
  const removal = new Removal(database, { topics, dead, payloads, expiries }, 0);
  const head = readHead(database);
  const rows: DoomedRow[] = [];
  const hasOlder = new Set<string>();
  const look = new RowLook(database);
  const found = new Map<number, DoomedRow>();
  for (let after = 0, more = true; more; ) {
    const page = look.after(after, (row) => {
      found.set(row.sequence, row);
      return true;
    });
    after = page.last;
    more = page.hasMore;
  }
  for (const { sequence, topic } of kept) {
    if (!doomed.has(sequence)) hasOlder.add(topic);
    else rows.push({ ...found.get(sequence)!, isOldest: tells && !hasOlder.has(topic) });
  }
  for (let at = 0; at < rows.length; at += 3000) {
    removal.remove(rows.slice(at, at + 3000), { head, isLoss });
  }
  database.close();
}

/** The sequences that a reader finds on a topic. */
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

function check(dir: string, kept: readonly Kept[]): void {
  expect([...verifyDirectory(dir)]).toEqual([]);
  const log = open(dir);
  for (const topic of TOPICS) {
    const expected = kept.filter((one) => one.topic === topic).map(({ sequence }) => sequence);
    expect(read(log, topic)).toEqual(expected);
    const summary = log.topic(topic);
    expect(summary?.events).toBe(expected.length);
    expect(summary?.firstSequence).toBe(expected[0] ?? 0);
    expect(summary?.prunedThrough).toBeLessThan(expected[0] ?? Number.POSITIVE_INFINITY);
  }
  log.close();
}

interface Step {
  /** The share of events that go, in thousandths, in a part of the log. */
  readonly share: number;
  readonly from: number;
  readonly length: number;
  readonly seed: number;
  /** The removal is told which events are the oldest of their topics. */
  readonly tells: boolean;
  readonly isLoss: boolean;
  readonly appends: number;
}

/** Removes, opens and appends by turns, and checks after each. */
function runSteps(steps: readonly Step[]): void {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: 1, defaultShards: 1 });
  let kept: Kept[] = [];
  append(dir, kept, 20_000);
  for (const { share, from, length, seed, tells, isLoss, appends } of steps) {
    const isDoomed = ({ sequence }: Kept): boolean =>
      sequence >= from &&
      sequence < from + length &&
      ((sequence * 2_654_435_761 + seed * 977) >>> 7) % 1000 < share;
    const doomed = new Set(kept.filter(isDoomed).map(({ sequence }) => sequence));
    remove(dir, kept, doomed, tells, isLoss);
    kept = kept.filter(({ sequence }) => !doomed.has(sequence));
    check(dir, kept);
    append(dir, kept, appends);
    check(dir, kept);
  }
}

describe('a removal of any events of a log', () => {
  const step: fc.Arbitrary<Step> = fc.record({
    share: fc.constantFrom(1, 400, 999, 1000),
    from: fc.nat(30_000),
    length: fc.constantFrom(10, 3000, 40_000),
    seed: fc.nat(1000),
    tells: fc.boolean(),
    isLoss: fc.boolean(),
    appends: fc.constantFrom(0, 100, 17_000),
  });

  it('leaves the others as they were, for readers, totals and openings', {
    timeout: 240_000,
  }, () => {
    const steps = fc.array(step, { minLength: 1, maxLength: 4 });
    fc.assert(fc.property(steps, runSteps), { numRuns: 5 });
  });

  it('tells readers of a gap only where the events are missed', () => {
    const dir = temporaryDirectory();
    openManifest(dir, { shards: 1, defaultShards: 1 });
    const kept: Kept[] = [];
    append(dir, kept, 100);
    const oldest = (topic: string): Set<number> =>
      new Set([kept.find((one) => one.topic === topic)!.sequence]);
    remove(dir, kept, oldest('a'), true, false);
    remove(dir, kept, oldest('b'), true, true);
    const log = open(dir);
    const told = (topic: string) => {
      const filter = parseFilter({ topics: [topic] });
      const { prunedThrough, goneThrough } = log.page({ filter, after: 0, limit: 1 });
      return { prunedThrough, goneThrough };
    };
    const [a] = oldest('a');
    const [b] = oldest('b');
    expect(told('a')).toEqual({ prunedThrough: 0, goneThrough: a });
    expect(told('b')).toEqual({ prunedThrough: b, goneThrough: b });
    expect(told('*')).toEqual({ prunedThrough: b, goneThrough: Math.max(a!, b!) });
    expect(log.topic('a')?.prunedThrough).toBe(0);
    log.close();
    expect([...verifyDirectory(dir)]).toEqual([]);
  });
});
