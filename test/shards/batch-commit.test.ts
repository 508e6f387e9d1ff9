/** How a batch gets into the log: at once or later, alone or with what consumers store along, and without room. */
import { describe, expect, it, vi } from 'vitest';
import { ShardControl, ShardCounter } from '../../src/link/shard-control.js';
import { BusError } from '../../src/protocol/errors.js';
import { BatchCommit, type StoredAlong } from '../../src/shards/batch-commit.js';
import type { PublishBatch } from '../../src/shards/publish-batch.js';
import type { CommittedBatch, RingPosition, ShardLog } from '../../src/store/shard-log.js';

const COMMITTED = {} as CommittedBatch;
const FULL = new BusError('STORE_FULL', 'planted');
const FAILED = new BusError('STORE_FAILED', 'planted');
const POSITION = { endpoint: 'e', position: 7, firstSequence: 3, settled: 0 };
const ALONG = { endpoint: 'e', position: 7, firstSequence: 3, settled: 5 };

interface Shape {
  readonly isToStore?: boolean;
  readonly synced?: boolean;
  readonly appended?: number;
  readonly owesFlush?: boolean;
  readonly isShared?: boolean;
  /** What the log does with each commit, in their order; the last goes on. */
  readonly outcomes?: readonly (Error | CommittedBatch | Promise<CommittedBatch>)[];
}

/** The parts that a commit works with, which note what is asked of them. */
function committing(shape: Shape = {}) {
  const { isToStore = true, synced = false, appended = 2, outcomes = [COMMITTED] } = shape;
  const done: unknown[] = [];
  let commits = 0;
  const log = {
    isShared: shape.isShared ?? false,
    head: 9,
    commit: (isSynced: boolean, positions: readonly RingPosition[]) => {
      done.push(['commit', isSynced, positions]);
      const outcome = outcomes[Math.min(commits++, outcomes.length - 1)];
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  };
  const batch = {
    ...{ isToStore, synced, appended, owesFlush: shape.owesFlush ?? false },
    positions: [POSITION],
    settle: (committed: CommittedBatch) => void done.push(['settle', committed]),
    refuse: ({ code }: BusError) => void done.push(['refuse', code]),
  };
  const control = ShardControl.create();
  const commit = new BatchCommit(
    log as unknown as ShardLog,
    batch as unknown as PublishBatch,
    control,
    { onFull: () => done.push('full'), onArrival: () => done.push('arrival') },
  );
  const along = (rest: Partial<StoredAlong> = {}): StoredAlong => ({
    ...{ isDirty: true, owesFlush: false },
    put: (positions) => {
      done.push(['put', positions]);
      return [ALONG];
    },
    committed: () => done.push('along committed'),
    refused: () => done.push('along refused'),
    postpone: () => done.push('along postponed'),
    ...rest,
  });
  const { published, refused, head, commits: counted } = ShardCounter;
  const counts = () => [published, refused, head, counted].map((n) => control.counters[n]);
  return { commit, done, counts, along };
}

const commitOf = (isSynced: boolean, ...positions: readonly RingPosition[]) => [
  'commit',
  isSynced,
  positions,
];
const settle = ['settle', COMMITTED];

describe('a batch', () => {
  it('with nothing to store makes no commit, and is decided', () => {
    const { commit, done, counts, along } = committing({ isToStore: false });
    commit.begin();
    commit.begin(along({ isDirty: false }));
    expect([done, counts(), commit.isDecided()]).toEqual([[], [0, 0, 0, 0], true]);
  });

  it.each([true, false])('is stored at once, flushed where that was asked: %s', (synced) => {
    const { commit, done, counts } = committing({ synced });
    commit.begin();
    expect(done).toEqual([commitOf(synced, POSITION), settle]);
    expect([counts(), commit.isDecided(), commit.hasArrived]).toEqual([[2, 0, 9, 1], true, false]);
  });

  it('is stored with what consumers have, if they have anything', () => {
    const { commit, done, along } = committing();
    commit.begin(along());
    const put = ['put', [POSITION]];
    expect(done.splice(0)).toEqual([put, commitOf(false, ALONG), settle, 'along committed']);
    commit.begin(along({ owesFlush: true }));
    expect(done.splice(0)).toEqual([put, commitOf(true, ALONG), settle, 'along committed']);
    commit.begin(along({ isDirty: false, owesFlush: true }));
    expect(done).toEqual([commitOf(false, POSITION), settle]);
  });

  it('is stored for the consumers alone where there is nothing else', () => {
    const { commit, done, along } = committing({ isToStore: false });
    commit.begin(along());
    expect(done[1]).toEqual(commitOf(false, ALONG));
  });

  it('is decided once the outcome of a late commit is taken', async () => {
    let decide = (_committed: CommittedBatch): void => {};
    const late = new Promise<CommittedBatch>((resolve) => {
      decide = resolve;
    });
    const { commit, done, counts } = committing({ outcomes: [late], isShared: true });
    commit.begin();
    expect([commit.isDecided(), commit.hasArrived]).toEqual([false, false]);
    decide(COMMITTED);
    await late;
    expect(done).toEqual([commitOf(false, POSITION), 'arrival']);
    expect([commit.hasArrived, counts()[0], commit.isDecided()]).toEqual([true, 0, true]);
    expect([done.at(-1), counts(), commit.hasArrived]).toEqual([settle, [2, 0, 9, 1], false]);
    expect([commit.isDecided(), done.length]).toEqual([true, 3]);
  });

  it('ends the shard where a late commit fails, when its outcome is taken', async () => {
    const late = Promise.reject<CommittedBatch>(FULL);
    const { commit, done } = committing({ outcomes: [late], isShared: true });
    commit.begin();
    await new Promise(setImmediate);
    expect(done.at(-1)).toBe('arrival');
    expect(() => commit.isDecided()).toThrow(FULL);
    expect(commit.hasArrived).toBe(false);
  });

  it('that a shared log refused is counted as refused', () => {
    const refusal = FULL;
    const { commit, done, counts } = committing({ outcomes: [{ ...COMMITTED, refusal }] });
    commit.begin();
    expect([counts(), done.at(-1)]).toEqual([[0, 2, 0, 0], 'full']);
  });
});

describe('a batch that finds no room', () => {
  const refuse = ['refuse', 'STORE_FULL'];

  it('is refused, and the shard goes on', () => {
    const { commit, done, counts } = committing({ outcomes: [FULL] });
    commit.begin();
    expect(done).toEqual([commitOf(false, POSITION), 'full', refuse]);
    expect([counts(), commit.isDecided()]).toEqual([[0, 2, 0, 0], true]);
  });

  it('has the repeats flushed first that ask for it', () => {
    const { commit, done } = committing({ outcomes: [FULL, COMMITTED], owesFlush: true });
    commit.begin();
    expect(done).toEqual([commitOf(false, POSITION), 'full', commitOf(true), refuse]);
  });

  it('leaves what consumers have to a commit of its own', () => {
    const { commit, done, along } = committing({ outcomes: [FULL, COMMITTED] });
    commit.begin(along({ owesFlush: true }));
    expect(done.splice(0, 5)).toEqual([
      ...[['put', [POSITION]], commitOf(true, ALONG), 'full', refuse, 'along refused'],
    ]);
    expect(done).toEqual([['put', []], commitOf(true, ALONG), 'along committed']);
  });

  it('leaves nothing to store where the consumers’ part was of the batch alone', () => {
    const { commit, done, along } = committing({ outcomes: [FULL] });
    const one = along();
    const isDirty = vi.fn<() => boolean>().mockReturnValueOnce(true).mockReturnValue(false);
    Object.defineProperty(one, 'isDirty', { get: isDirty });
    commit.begin(one);
    expect(done.at(-1)).toBe('along refused');
  });

  it('lets the consumers try later where there is no room for their part, or nothing else was', () => {
    const both = committing({ outcomes: [FULL] });
    both.commit.begin(both.along());
    expect(both.done.slice(-3)).toEqual([['put', []], commitOf(false, ALONG), 'along postponed']);
    const alone = committing({ outcomes: [FULL], appended: 0 });
    alone.commit.begin(alone.along());
    expect(alone.done.slice(-2)).toEqual(['along refused', 'along postponed']);
  });

  it.each([FAILED, Object.assign(new Error('planted'), { code: 'STORE_FULL' })])(
    'is not what another failure is, which ends the shard: %s',
    (error) => {
      const first = committing({ outcomes: [error] });
      expect(() => first.commit.begin()).toThrow(error);
      expect(first.done).toHaveLength(1);
      const second = committing({ outcomes: [FULL, error] });
      expect(() => second.commit.begin(second.along())).toThrow(error);
      expect(second.done.at(-1)).toEqual(commitOf(false, ALONG));
    },
  );

  it('ends the shard of a shared log, which would tell of it otherwise', () => {
    const { commit, done } = committing({ outcomes: [FULL], isShared: true });
    expect(() => commit.begin()).toThrow(FULL);
    expect(done).toHaveLength(1);
  });
});
