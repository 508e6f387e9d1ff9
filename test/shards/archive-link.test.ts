import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ArchiveWords } from '../../src/link/archive-words.js';
import { ShardControl, ShardCounter } from '../../src/link/shard-control.js';
import { ArchiveLink, noteArchive } from '../../src/shards/archive-link.js';
import type { ShardLog } from '../../src/store/shard-log.js';

const NOW = 1_800_000_000_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: NOW }));
afterEach(() => void vi.useRealTimers());

/** A log of so many events, all of them flushed by its next commit. */
function linked({ syncedHead = 100, head = 100 } = {}) {
  const commits: unknown[][] = [];
  const log = {
    prunedThrough: 7,
    syncedHead,
    commit: (...args: unknown[]) => {
      commits.push(args);
      log.syncedHead = head;
    },
  };
  const words = ArchiveWords.create();
  const link = new ArchiveLink(words, log as unknown as ShardLog);
  /** A step of the rules that wants these sequences. */
  const rules = (more: boolean, ...wanted: readonly number[]): boolean =>
    link.byRules(() => {
      for (const sequence of wanted) link.want(sequence);
      return more;
    });
  const told = () => [words.wanted, words.waitsSince];
  return { link, words, commits, rules, told };
}

describe('retention that waits for the archive', () => {
  it('wants the last of what its rules would remove, and of what was asked for', () => {
    const { link, words, rules, told } = linked();
    words.through = 5;
    expect([link.through, link.leftThrough]).toEqual([5, 7]);
    expect(rules(false, 10, 30, 20)).toBe(false);
    expect(told()).toEqual([30, NOW]);
    const answer = link.byRequest(() => {
      for (const sequence of [35, 40, 12]) link.want(sequence);
      return 'done';
    });
    expect([answer, words.wanted]).toEqual(['done', 40]);
    rules(false);
    expect(words.wanted).toBe(40);
  });

  it('wants what was asked for until it is archived, whatever its rules find', () => {
    const { link, words, rules } = linked();
    link.byRequest(() => link.want(40));
    rules(false);
    expect(words.wanted).toBe(40);
    words.through = 40;
    rules(false);
    expect(words.wanted).toBe(0);
  });

  it('wants what its rules want now, and what they wanted before until they are at their end', () => {
    const { words, rules } = linked();
    rules(false, 30);
    expect(rules(true, 20)).toBe(true);
    expect(words.wanted).toBe(30);
    rules(true, 40);
    expect(words.wanted).toBe(40);
    rules(false, 20);
    expect(words.wanted).toBe(20);
    rules(false);
    expect(words.wanted).toBe(0);
  });

  it('has waited since it first wanted something that the archive has not', () => {
    const { words, rules, told } = linked();
    words.through = 20;
    rules(false, 20);
    expect(told()).toEqual([0, 0]);
    rules(false, 21);
    vi.setSystemTime(NOW + 1000);
    rules(false, 22);
    expect(told()).toEqual([22, NOW]);
    words.through = 22;
    rules(false, 22);
    expect(told()).toEqual([0, 0]);
    rules(false, 23);
    expect(told()).toEqual([23, NOW + 1000]);
  });

  it('has the log flushed where the archiver would have to wait for that', () => {
    const { words, commits, rules } = linked({ syncedHead: 10 });
    rules(false, 10);
    expect([commits, words.synced]).toEqual([[], 10]);
    rules(false, 11);
    expect([commits, words.synced]).toEqual([[[true, []]], 100]);
    words.through = 200;
    rules(false, 150);
    expect(commits).toHaveLength(1);
  });

  it('tells what it wants also where a step fails, and takes what is asked for from then on', () => {
    const { link, words, rules } = linked();
    const fails = (): never => {
      link.want(30);
      throw new Error('planted');
    };
    expect(() => link.byRules(fails)).toThrow('planted');
    expect(words.wanted).toBe(30);
    link.want(50);
    expect(() => link.byRequest(fails)).toThrow('planted');
    expect(words.wanted).toBe(50);
    rules(false);
    expect(words.wanted).toBe(50);
  });
});

it('an archive is counted for every thread, where there is one', () => {
  const { link, words } = linked();
  const control = ShardControl.create();
  noteArchive(control, undefined);
  expect(control.counters[ShardCounter.archives]).toBe(0);
  words.through = 3;
  words.listed(4, 500);
  words.addEvents(6);
  words.failingSince = NOW;
  words.waitsSince = NOW + 1;
  noteArchive(control, link);
  const { counters } = control;
  expect(
    [
      ShardCounter.archives,
      ShardCounter.archiveThrough,
      ShardCounter.archiveSegments,
      ShardCounter.archiveBytes,
      ShardCounter.archiveEvents,
      ShardCounter.archiveFailingSince,
      ShardCounter.archiveWaitsSince,
      ShardCounter.archiveLeftThrough,
    ].map((counter) => counters[counter]),
  ).toEqual([1, 3, 4, 500, 6, NOW, NOW + 1, 7]);
});
