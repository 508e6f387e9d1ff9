import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Rig } from './board-rig.js';

/** Changes of schedules, with the death of the process before and after each call of a shard. */

/** Lets all go on that can. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
}

/** Every second from the first due time on, once. */
function expectEachOnce(rig: Rig): void {
  const due = rig.published.map(({ dueAt }) => dueAt).sort((a, b) => a - b);
  const expected = due.map((_, n) => due[0]! + n * 1000);
  expect(due).toEqual(expected);
  expect(due.at(-1)).toBe(Math.floor(rig.now / 1000) * 1000);
}

async function moveWithDeath(isPaused: boolean, call: number, after: boolean): Promise<boolean> {
  const rig = new Rig();
  await rig.set('mover', '0.a');
  rig.pass(5000);
  if (isPaused) await rig.board.alter({ name: 'mover', kind: 'pause', topics: null });
  const before = rig.published.length;
  rig.dieWith(call, after);
  void rig.set('mover', '1.a');
  await settled();
  const died = rig.isDead;
  if (died) rig.open();
  await settled();
  rig.pass(2000);
  const [entry, ...others] = rig.entries('mover');
  expect(others).toEqual([]);
  expect(entry).toMatchObject({ isPaused, isArriving: false, isMoved: false });
  expect(entry!.fired).toBe(rig.published.length);
  expect(entry!.lastAt).toBe(rig.published.at(-1)!.dueAt);
  if (isPaused) expect(rig.published).toHaveLength(before);
  else expectEachOnce(rig);
  if (!died) expect(entry!.shard).toBe(1);
  return died;
}

describe('a schedule that moves to another shard', () => {
  it.each([
    ['a paused one', true],
    ['an active one', false],
  ])(
    '%s keeps how it stands and what it has done, wherever the process dies',
    async (_, isPaused) => {
      let deaths = 0;
      for (let call = 0; ; call++) {
        const diedBefore = await moveWithDeath(isPaused, call, false);
        const diedAfter = await moveWithDeath(isPaused, call, true);
        expect(diedAfter).toBe(diedBefore);
        if (!diedBefore) break;
        deaths += 2;
      }
      expect(deaths).toBeGreaterThan(8);
    },
  );

  it('is ended by the next change, if a shard has refused a step', async () => {
    for (let call = 2; call < 6; call++) {
      const rig = new Rig();
      await rig.set('mover', '0.a');
      rig.refuse(rig.calls + call);
      const moved = await rig.set('mover', '1.a').catch((error) => error.code);
      const altered = await rig.board.alter({ name: 'mover', kind: 'pause', topics: null });
      expect(altered, String(moved)).toMatchObject({ schedule: { isPaused: true } });
      expect(rig.entries('mover')).toHaveLength(1);
    }
  });
});

describe('a move that a full disk has broken off', () => {
  it('is ended by itself, once there is room', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    for (let call = 3; call < 6; call++) {
      const rig = new Rig();
      await rig.set('mover', '0.a');
      rig.pass(5000);
      const first = rig.calls + call;
      rig.refuse(first, first + 6);
      await rig.set('mover', '1.a').catch((error) => expect(error.code).toBe('STORE_FULL'));
      await vi.advanceTimersByTimeAsync(600_000);
      expect(rig.calls).toBeGreaterThan(first + 6);
      const calls = rig.calls;
      expect(rig.entries('mover')).toMatchObject([{ isArriving: false, isMoved: false }]);
      expect(rig.reports.length).toBeLessThanOrEqual(2);
      rig.pass(2000);
      expectEachOnce(rig);
      await vi.advanceTimersByTimeAsync(600_000);
      expect(rig.calls).toBe(calls);
      rig.board.stop();
    }
  });
});

describe('a change of a schedule that its asker may not see', () => {
  it('is refused in the turn of the change, and does not name the topic', async () => {
    const rig = new Rig();
    const first = rig.set('one', '0.secret', null);
    // Asked before the first change is made.
    const mine = rig.set('one', '0.mine', ['0.mine', '1.*']);
    const paused = rig.board.alter({ name: 'one', kind: 'pause', topics: ['0.mine'] });
    const deleted = rig.board.alter({ name: 'one', kind: 'delete', topics: ['0.mine'] });
    await first;
    const refused = await mine.catch((error) => error);
    expect(refused).toMatchObject({ code: 'FORBIDDEN' });
    expect(JSON.stringify([refused.message, refused.details])).not.toContain('secret');
    await expect(paused).rejects.toMatchObject({ code: 'SCHEDULE_UNKNOWN' });
    expect(await deleted).toEqual({ schedule: null, isFound: false });
    expect(rig.entries('one')).toMatchObject([{ isPaused: false }]);
    const allowed = await rig.board.alter({ name: 'one', kind: 'delete', topics: ['0.*'] });
    expect(allowed).toEqual({ schedule: null, isFound: true });
    expect(await rig.board.alter({ name: 'one', kind: 'delete', topics: null })).toMatchObject({
      isFound: false,
    });
  });
});

describe('schedules where a shard is given up', () => {
  it('can be changed in the other shards, and a name is given twice in no case', async () => {
    const rig = new Rig(3);
    await rig.set('here', '0.a');
    await rig.set('gone', '1.a');
    rig.lost.add(1);
    const { board } = rig;
    const unavailable = expect.objectContaining({ code: 'STORE_FAILED' });
    expect(await board.alter({ name: 'here', kind: 'pause', topics: null })).toMatchObject({
      schedule: { isPaused: true },
    });
    expect(await rig.set('here', '2.a')).toMatchObject({ shard: 2, isPaused: true });
    expect(await board.alter({ name: 'here', kind: 'delete', topics: null })).toMatchObject({
      isFound: true,
    });
    // Whether the shard has them nobody can tell.
    await expect(rig.set('gone', '0.a')).rejects.toEqual(unavailable);
    for (const kind of ['pause', 'resume', 'delete'] as const) {
      await expect(board.alter({ name: 'gone', kind, topics: null })).rejects.toEqual(unavailable);
    }
    await expect(rig.set('to the lost one', '1.a')).rejects.toEqual(unavailable);
    rig.lost.clear();
    expect(rig.entries('gone')).toMatchObject([{ shard: 1, isPaused: false }]);
  });
});
