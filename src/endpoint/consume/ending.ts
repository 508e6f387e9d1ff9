/** How a bus drains and closes while members work. Used by the endpoint's thread alone. */
import { type Drained, drainOutside } from '../../async-context/drain-in-handler.js';
import type { ConsumerRun } from '../../handout/consume/run.js';
import { BusError } from '../../protocol/errors.js';
import { MEMBER_CLOSE_MS, MEMBER_LEAVE_MS } from '../../protocol/limits/consumers.js';
import type { Member } from './member.js';
import type { Members } from './members.js';

/** The handlers at work, for a wait that must not wait for its own caller. */
export function handlersOf(runs: Iterable<ConsumerRun>): Drained[] {
  return [...runs].flatMap(({ drained }) => drained);
}

/** Resolves when the handlers that are at work now have ended, and all that members have said is confirmed. */
export async function whenHandled(members: Members, runs: Iterable<ConsumerRun>): Promise<void> {
  const atWork = [...runs].flatMap((run) => [...run.atWork]);
  await members.when(() => atWork.every(({ state }) => state === 'over'));
  const { settlements } = members;
  const said = settlements.map(({ last }) => last);
  await members.when(() => settlements.every(({ confirmed }, shard) => confirmed >= said[shard]!));
}

/**
 * Ends all members: hands back what has not begun, waits for what has, for a limited time, and leaves. It does not wait
 * for handlers whose leases are lost, nor for any if one of them waits for the close itself.
 */
export async function endMembers(
  members: Members,
  runs: Iterable<ConsumerRun>,
  closed: BusError,
): Promise<void> {
  const all = members.all();
  if (all.length === 0) return;
  const leaving = all.map((member) => end(member, closed));
  try {
    const ended = drainOutside(handlersOf(runs), () => Promise.all(leaving).then(() => {}));
    await atMost(MEMBER_CLOSE_MS, ended);
  } catch (error) {
    if (!(error instanceof BusError) || error.code !== 'DRAIN_IN_HANDLER') throw error;
  }
  await atMost(MEMBER_LEAVE_MS, Promise.all(members.all().map((member) => member.leave())));
}

async function end(member: Member, closed: BusError): Promise<void> {
  if (member.isDetached) {
    // Its leases are their callers', who settle them later.
    await member.leave();
  } else {
    member.stop();
    await member.left(false);
  }
  member.close(closed);
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
