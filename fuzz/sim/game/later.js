import { PAUSE_MS_MAX } from '../world/choices.js';
import { world } from '../world/world.js';
import { lost, misordered, other } from './problems.js';

/**
 * Publishes that wait for their time: when each may become an event, and when it has to be one. A publish that waits has
 * `later`, and once it is acknowledged perhaps `later.dueAt`; without that, its time had passed, and it is as any other.
 */
/** After a full disk the shard tries again by the clock to publish what is due. */
const FULL_MS = 300;
/**
 * What is due is there by then, if nobody can run any more. A thread may have been paused after it reckoned how long to park,
 * and again when it woke.
 */
const LATE_MS = 5 + 2 * PAUSE_MS_MAX;

/** @param {number} delayMs from now on */
export function laterBy(delayMs) {
  return { delayMs, notBefore: Math.floor(world().time + delayMs), dueAt: undefined };
}

/** The publish has been acknowledged. */
export function noteDue(publish, ack) {
  if (publish.later === undefined || ack.deliverAt === undefined) return;
  publish.later.dueAt = new Date(ack.deliverAt).getTime();
}

/** Whether the publish has become no event yet, as far as anybody may say. */
export function isAsleep({ later }) {
  if (later?.dueAt === undefined) return false;
  const { surely, elapsed, faults } = world();
  return surely < later.dueAt + LATE_MS || elapsed - faults.fullAt < FULL_MS;
}

/** @returns {string | undefined} what is wrong with it, as somebody has got it now */
export function tooEarly({ n, later }) {
  if (later === undefined) return undefined;
  const due = later.dueAt ?? later.notBefore;
  const early = due - world().latest;
  return early > 1 ? `${n} became an event ${early.toFixed(1)} ms before its time` : undefined;
}

/** When all that waits is an event, by the clock; undefined if nothing waits. */
export function lastDue(publishes) {
  const waits = ({ status, later, mayBeLost }) =>
    status === 'ok' && later?.dueAt !== undefined && mayBeLost !== true;
  const times = publishes.filter(waits).map(({ later }) => later.dueAt);
  return times.length === 0 ? undefined : Math.max(...times) + FULL_MS;
}

/** What became of a publish that waited. */
export function fateOfLater({ n, isCancelled, mayBeCancelled }, row, mayBeGone) {
  if (isCancelled && row !== undefined) return [other(`${n} was cancelled and became an event`)];
  if (isCancelled || mayBeCancelled || mayBeGone || row !== undefined) return [];
  return [lost(`${n} was to become an event, and did not`)];
}

/**
 * They become events in the order of their times, and within one time each publisher's in the order in which it published
 * them. What is published again, or was lost by a power cut, may come later.
 */
export function laterInOrder(publishes, stored) {
  const problems = [];
  const last = new Map();
  const rows = publishes
    .filter(({ n, status, later, isRepeated, isResent, durability }) => {
      const isSure = status === 'ok' && durability === 'synced' && !isRepeated && !isResent;
      return isSure && later?.dueAt !== undefined && stored.has(n);
    })
    .map((publish) => ({ publish, row: stored.get(publish.n) }))
    .sort((a, b) => a.row.shard - b.row.shard || a.row.sequence - b.row.sequence);
  for (const { publish, row } of rows) {
    const before = last.get(row.shard);
    if (before !== undefined && isBehind(before, publish))
      problems.push(misordered(`${publish.n} became an event behind ${before.n}`));
    last.set(row.shard, publish);
  }
  return problems;
}

/** Whether the first of two has to be behind the second. */
function isBehind(first, second) {
  if (first.later.dueAt !== second.later.dueAt) return first.later.dueAt > second.later.dueAt;
  return first.publisher === second.publisher && first.n > second.n;
}
