import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  WORK_BUSY_MS,
  WORK_FRAME_MS,
  WORK_OTHERS_MS,
  WORK_OVERRUN_PAUSE,
  WORK_PIECE_MS,
  WORK_REQUEST_BYTES_MAX,
  WORK_REQUESTS_MAX,
  WORK_SLICE_MS,
} from '../../src/protocol/limits/budgets.js';
import { WorkShares } from '../../src/threads/work-shares.js';

describe('the time of a gateway’s thread', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'setImmediate'] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** Works for a principal so long. */
  function work(part: ReturnType<WorkShares['part']>, ms: number): void {
    const began = performance.now();
    vi.advanceTimersByTime(ms);
    part.spend(began, 0);
  }

  it('belongs to a principal that is alone', () => {
    const part = new WorkShares().part();
    for (let n = 0; n < 100; n++) work(part, WORK_SLICE_MS);
    expect(part.isHeldUp).toBe(false);
  });

  it('is given in slices where others are there, and goes on at once where they are idle', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    const changes: boolean[] = [];
    one.onChange(() => changes.push(one.isHeldUp));
    work(other, 0);
    vi.advanceTimersByTime(WORK_BUSY_MS + 1);
    work(one, WORK_SLICE_MS / 2);
    expect(one.isHeldUp).toBe(false);
    work(one, WORK_SLICE_MS / 2);
    expect(one.isHeldUp).toBe(true);
    vi.advanceTimersByTime(0);
    expect(changes).toEqual([true, false]);
  });

  it('is shared with those who are busy: who has worked waits as long', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 1);
    work(one, WORK_SLICE_MS);
    vi.advanceTimersByTime(WORK_SLICE_MS - 1);
    expect(one.isHeldUp).toBe(true);
    vi.advanceTimersByTime(2);
    expect(one.isHeldUp).toBe(false);
    expect(other.isHeldUp).toBe(false);
  });

  it('is worked for in pieces while others are busy, and those who wait for the next one take turns', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    const begun: string[] = [];
    const begin = (name: string): void => {
      begun.push(name);
      one.charge(WORK_PIECE_MS);
    };
    work(other, 0);
    work(one, WORK_PIECE_MS);
    expect(one.isBetween).toBe(true);
    expect(one.isHeldUp).toBe(false);
    const [a, b] = [() => begin('a'), () => begin('b')];
    for (const next of [a, b]) one.whenNext(next);
    expect(begun).toEqual([]);
    vi.advanceTimersToNextTimer();
    expect(begun).toEqual(['a']);
    one.whenNext(a);
    vi.advanceTimersToNextTimer();
    vi.advanceTimersByTime(0);
    expect(begun.slice(0, 2)).toEqual(['a', 'b']);
    one.forget(a);
    vi.advanceTimersByTime(100);
    expect(begun).toHaveLength(2);
    expect(one.isBetween).toBe(false);
  });

  it('is shared with those who are busy in other threads', () => {
    const part = new WorkShares().part();
    work(part, WORK_SLICE_MS);
    expect(part.isHeldUp).toBe(false);
    part.noteOthers();
    expect(part.hasBusyOthers).toBe(true);
    work(part, WORK_SLICE_MS);
    expect(part.isHeldUp).toBe(true);
    vi.advanceTimersByTime(WORK_OTHERS_MS + 2 * WORK_SLICE_MS);
    expect(part.hasOthers).toBe(false);
  });

  it('is worked for in one go where others are idle', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 0);
    vi.advanceTimersByTime(WORK_BUSY_MS + 1);
    work(one, WORK_PIECE_MS);
    expect(one.isBetween).toBe(false);
    let calls = 0;
    one.whenNext(() => calls++);
    expect(calls).toBe(0);
    vi.advanceTimersByTime(0);
    expect(calls).toBe(1);
  });

  it('goes on with those who wait when it is not held up any more', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 1);
    work(one, WORK_SLICE_MS);
    let calls = 0;
    one.whenNext(() => calls++);
    vi.advanceTimersByTime(WORK_SLICE_MS - 1);
    expect(calls).toBe(0);
    vi.advanceTimersByTime(2);
    expect(calls).toBe(1);
  });

  it('is given to pieces of work in their order, each of which is counted, and a failed one stops none', async () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 0);
    const done: string[] = [];
    const piece = (name: string) => (): string => {
      vi.advanceTimersByTime(WORK_PIECE_MS);
      done.push(name);
      if (name === 'b') throw new Error(name);
      return name;
    };
    const outcomes = Promise.allSettled(['a', 'b', 'c'].map((name) => one.inTurn(piece(name))));
    // The clock moves within a piece, so the turn between two of them may come before it has ended.
    for (let n = 0; n < 10; n++) {
      work(other, 0);
      vi.advanceTimersByTime(WORK_SLICE_MS);
    }
    expect(done).toEqual(['a', 'b', 'c']);
    const reasons = (await outcomes).map((one) =>
      one.status === 'fulfilled' ? one.value : String(one.reason),
    );
    expect(reasons).toEqual(['a', 'Error: b', 'c']);
  });

  it('is given to work that is under way also while no more is read', async () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 1);
    for (let n = 0; n < WORK_REQUESTS_MAX; n++) one.begin(1);
    expect(one.isHeldUp).toBe(true);
    let read = 0;
    one.whenNext(() => read++);
    expect(await one.inTurn(() => 'answer')).toBe('answer');
    expect(read).toBe(0);
    for (let n = 0; n < WORK_REQUESTS_MAX; n++) one.end(1);
    expect(read).toBe(1);
  });

  it('is looked at by others between the pieces of a part that is alone, too', async () => {
    const part = new WorkShares().part();
    let done = 0;
    const piece = (): void => {
      vi.advanceTimersByTime(WORK_PIECE_MS / 2);
      done++;
    };
    work(part, WORK_SLICE_MS);
    const all = Array.from({ length: 100 }, () => part.inTurn(piece));
    expect(done).toBe(0);
    vi.advanceTimersToNextTimer();
    expect(done).toBeGreaterThan(0);
    for (let n = 0; n < 200; n++) vi.advanceTimersByTime(1);
    await Promise.all(all);
    expect(done).toBe(100);
  });

  it('is waited for longer by who went beyond a slice in one piece', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    const pauseMs = 10 + (10 - WORK_SLICE_MS) * WORK_OVERRUN_PAUSE;
    work(other, 1);
    work(one, 10);
    vi.advanceTimersByTime(pauseMs - 1);
    expect(one.isHeldUp).toBe(true);
    vi.advanceTimersByTime(2);
    expect(one.isHeldUp).toBe(false);
  });

  it('is waited for also by what is done for a principal while it waits', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 1);
    work(one, WORK_SLICE_MS);
    vi.advanceTimersByTime(0);
    one.charge(10);
    vi.advanceTimersByTime(WORK_SLICE_MS + 9);
    expect(one.isHeldUp).toBe(true);
    vi.advanceTimersByTime(2);
    expect(one.isHeldUp).toBe(false);
  });

  it('counts what frames cost besides', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 0);
    one.spend(performance.now(), WORK_SLICE_MS / WORK_FRAME_MS / 2);
    expect(one.isHeldUp).toBe(false);
    one.spend(performance.now(), WORK_SLICE_MS / WORK_FRAME_MS / 2 + 1);
    expect(one.isHeldUp).toBe(true);
  });

  it('is not split with those who have gone', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 1);
    vi.advanceTimersByTime(WORK_OTHERS_MS + 1);
    work(one, 100);
    for (let n = 0; n < WORK_REQUESTS_MAX * 2; n++) one.begin(1);
    expect(one.isHeldUp).toBe(false);
  });

  it('leaves so many publishes of one under way, until half of them are answered', () => {
    const shares = new WorkShares();
    const [one, other] = [shares.part(), shares.part()];
    work(other, 0);
    for (let n = 1; n < WORK_REQUESTS_MAX; n++) one.begin(1);
    expect(one.isHeldUp).toBe(false);
    one.begin(1);
    expect(one.isHeldUp).toBe(true);
    for (let n = 0; n < WORK_REQUESTS_MAX / 2; n++) one.end(1);
    expect(one.isHeldUp).toBe(true);
    one.end(1);
    expect(one.isHeldUp).toBe(false);
    one.begin(WORK_REQUEST_BYTES_MAX);
    expect(one.isHeldUp).toBe(true);
    one.end(WORK_REQUEST_BYTES_MAX);
    expect(one.isHeldUp).toBe(false);
  });
});
