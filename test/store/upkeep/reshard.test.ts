import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shardOf } from '../../../src/protocol/topic-hash.js';
import { endNew, openManifest } from '../../../src/store/directory/directory.js';
import { DirectoryLock } from '../../../src/store/directory/lock.js';
import { readManifest } from '../../../src/store/directory/manifest.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { identityOf } from '../../../src/store/sqlite/log-state.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { reshard } from '../../../src/store/upkeep/reshard.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { append, readAll, type Stored } from '../sqlite/sqlite-log-promises.js';

const SHARDS = 2;
const TOPICS = 23;
const EVENTS = 4000;

/** Two shards whose recorded times interleave. */
function makeSource(): string {
  const dir = temporaryDirectory();
  openManifest(dir, { shards: SHARDS, defaultShards: 1 });
  const logs = Array.from({ length: SHARDS }, (_, shard) => {
    return new SqliteShardLog({ file: shardFile(dir, shard), shard });
  });
  for (let i = 0; i < EVENTS; i++) {
    const topic = `topic.${(i * 7) % TOPICS}`;
    const log = logs[shardOf(topic, SHARDS)]!;
    const extra = i % 10 ? {} : { id: `own-${i}`, flags: 5, timestamp: 77, correlationId: 'c' };
    append(log, { topic, payload: { i }, ...extra }, 1000 + (i >> 2));
    if (i % 100 === 99) for (const one of logs) one.commit(false, []);
  }
  for (const one of logs) {
    one.commit(true, []);
    one.close();
  }
  return dir;
}

function contentOf(dir: string, shards: number): Map<string, Omit<Stored, 'sequence'>[]> {
  const byTopic = new Map<string, Omit<Stored, 'sequence'>[]>();
  for (let shard = 0; shard < shards; shard++) {
    const log = new SqliteShardLog({ file: shardFile(dir, shard), shard });
    let recordedAt = 0;
    for (const { sequence: _, ...event } of readAll(log)) {
      expect(shardOf(event.topic, shards)).toBe(shard);
      expect(event.recordedAt).toBeGreaterThanOrEqual(recordedAt);
      ({ recordedAt } = event);
      byTopic.set(event.topic, [...(byTopic.get(event.topic) ?? []), event]);
    }
    log.close();
  }
  return byTopic;
}

function codeOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
  return undefined;
}

/** A directory of two shards as a killed process leaves it or, with `close`, as a close leaves it. */
function takenIntoUse(close: boolean): string {
  const live = join(temporaryDirectory(), 'live');
  const manifest = openManifest(live, { shards: SHARDS, defaultShards: 1 });
  const logs = Array.from({ length: SHARDS }, (_, shard) => {
    const identity = identityOf(manifest);
    return new SqliteShardLog({ file: shardFile(live, shard), shard, identity });
  });
  endNew(live, manifest);
  for (const log of logs) {
    for (let n = 0; n < 10; n++) {
      append(log, { topic: `topic.${n}` }, 1000 + n);
      log.commit(true, []);
    }
  }
  const left = join(temporaryDirectory(), 'left');
  if (close) for (const log of logs) log.close();
  cpSync(live, left, { recursive: true });
  if (!close) for (const log of logs) log.close();
  return left;
}

describe('a log that reshard is to copy', () => {
  const copyOf = (from: string) => reshard({ from, shards: 1, to: join(from, '..', 'copy') });

  it('is copied whole after the death of its process', () => {
    expect(copyOf(takenIntoUse(false))).toMatchObject({ events: 20, losses: [] });
  });

  it('is reported if it has lost events', () => {
    const from = takenIntoUse(false);
    for (const suffix of ['db-wal', 'mark']) rmSync(join(from, `shard-001.${suffix}`));
    const { losses } = copyOf(from);
    expect(losses).toEqual([
      expect.stringMatching(/shard 1 ends at 0: its write-ahead log is gone/),
    ]);
  });

  it.each([
    ['is missing', (from: string) => rmSync(join(from, 'shard-001.db')), /it is missing/],
    [
      'is another directory’s',
      (from: string) =>
        cpSync(join(takenIntoUse(true), 'shard-001.db'), join(from, 'shard-001.db')),
      /the log of another directory/,
    ],
  ])('is refused if it %s', (_, change, reason) => {
    const from = takenIntoUse(true);
    change(from);
    expect(() => copyOf(from)).toThrow(reason);
    expect(readManifest(join(from, '..', 'copy'))).toBeUndefined();
  });

  it('is refused if it keeps durable consumers', () => {
    const from = takenIntoUse(true);
    const log = new SqliteShardLog({ file: shardFile(from, 1), shard: 1 });
    const counts = { acked: 0, redelivered: 0, lost: 0 };
    const lane = { consumer: 'one', lane: 0, round: 1, position: 3, leaseNext: 1, at: 1000 };
    const open = new Uint8Array();
    for (const which of [0, 1]) log.consumers.put({ ...lane, lane: which, ...counts, open });
    log.commit(true, []);
    log.close();
    expect(() => copyOf(from)).toThrow(
      expect.objectContaining({
        code: 'OPTION_INVALID',
        message: expect.stringMatching(/has a durable consumer, .* delete them first/),
      }),
    );
    expect(readManifest(join(from, '..', 'copy'))).toBeUndefined();
  });

  it('counts as empty if the first opening of its directory was killed', () => {
    const from = join(temporaryDirectory(), 'data');
    openManifest(from, { shards: 2, defaultShards: 1 });
    expect(copyOf(from)).toMatchObject({ events: 0, losses: [] });
  });

  it('leaves its head in the manifest of the copy', () => {
    const from = takenIntoUse(true);
    copyOf(from);
    expect(readManifest(join(from, '..', 'copy'))).toMatchObject({ heads: [20] });
  });
});

describe('reshard', () => {
  it.each([1, 3, 5])('keeps every event unchanged and in order, on %i shards', (shards) => {
    const from = makeSource();
    const to = join(temporaryDirectory(), 'copy');
    const told: number[] = [];
    const done = reshard({ from, shards, to, onProgress: ({ events }) => told.push(events) });
    expect(done.events).toBe(EVENTS);
    expect(told.at(-1)).toBe(EVENTS);
    expect(contentOf(to, shards)).toEqual(contentOf(from, SHARDS));
    expect(readManifest(to)).toMatchObject({ shards });
    expect(readManifest(to)?.epoch).not.toBe(readManifest(from)?.epoch);
    expect([...verifyDirectory(to)]).toEqual([]);
  });

  it.each([1, 3])('knows the topics that are empty as used ones, on %i shards', (shards) => {
    const from = makeSource();
    const gone = ['topic.4', 'topic.9', 'topic.10'];
    for (let shard = 0; shard < SHARDS; shard++) {
      const log = new SqliteShardLog({ file: shardFile(from, shard), shard });
      for (const pattern of gone) {
        const all = { pattern, excessEvents: EVENTS, excessBytes: 0 };
        let after: number | undefined = 0;
        while (after !== undefined) after = log.pruning.prune({ ...all, after }).next;
        expect(log.topic(pattern)?.events ?? 0).toBe(0);
      }
      log.close();
    }
    const to = join(temporaryDirectory(), 'copy');
    reshard({ from, shards, to });
    expect([...verifyDirectory(to)].map(({ message }) => message)).toEqual([]);
    expect(contentOf(to, shards)).toEqual(contentOf(from, SHARDS));
    const identity = identityOf(readManifest(to)!);
    for (const topic of gone) {
      const shard = shardOf(topic, shards);
      const log = new SqliteShardLog({ file: shardFile(to, shard), shard, identity });
      const { head } = log;
      const last = log.lastSequenceOf(topic);
      expect(last).toBeGreaterThan(0);
      expect(last).toBeLessThanOrEqual(log.prunedThrough);
      expect(log.topic(topic)).toMatchObject({ events: 0, prunedThrough: 0 });
      append(log, { topic }, 5000);
      log.commit(true, []);
      expect(log.topic(topic)).toMatchObject({ events: 1, firstSequence: head + 1 });
      log.close();
    }
    expect([...verifyDirectory(to)].map(({ message }) => message)).toEqual([]);
  });

  it('refuses a source in use or without a manifest, and a target that is not empty', () => {
    const from = makeSource();
    const full = temporaryDirectory();
    writeFileSync(join(full, 'something'), '');
    expect(codeOf(() => reshard({ from, shards: 2, to: full }))).toBe('OPTION_INVALID');
    const to = join(temporaryDirectory(), 'copy');
    expect(codeOf(() => reshard({ from: full, shards: 2, to }))).toBe('OPTION_INVALID');
    expect(codeOf(() => reshard({ from, shards: 99, to }))).toBe('OPTION_INVALID');
    const lock = DirectoryLock.acquire(from);
    expect(codeOf(() => reshard({ from, shards: 2, to }))).toBe('STORE_LOCKED');
    lock.release();
    expect(readdirSync(full)).toEqual(['something']);
  });

  it('corrects recorded times of a clock that was ahead, on request', () => {
    const from = makeSource();
    const to = join(temporaryDirectory(), 'to');
    reshard({ from, shards: SHARDS, to, recordedUntil: 1500 });
    const times = (dir: string): number[][] =>
      Array.from({ length: SHARDS }, (_, shard) => {
        const log = new SqliteShardLog({ file: shardFile(dir, shard), shard });
        const all = readAll(log).map(({ recordedAt }) => recordedAt);
        log.close();
        return all;
      });
    const before = times(from);
    expect(Math.max(...before.flat())).toBeGreaterThan(1500);
    expect(times(to)).toEqual(before.map((all) => all.map((at) => Math.min(at, 1500))));
    const timestamps = ({ timestamp }: { timestamp: number }): number => timestamp;
    const content = (dir: string): number[] =>
      [...contentOf(dir, SHARDS).values()]
        .flat()
        .map(timestamps)
        .sort((a, b) => a - b);
    expect(content(to)).toEqual(content(from));
    expect([...verifyDirectory(to)].map(({ message }) => message)).toEqual([]);
  });
});
