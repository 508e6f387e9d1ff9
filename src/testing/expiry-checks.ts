import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import type { ShardExpiry } from '../store/expiry.js';
import type { ShardLog } from '../store/shard-log.js';
import { type Checks, withNode } from './checks.js';
import { BY_PUBLISHER, PADDING, RECORDED_AT, recordOf } from './events.js';
import { range } from './log-checks.js';
import type { StoreNode } from './store-node.js';

/** Checks how a log finds the events that have expired, and lets go of them. */
export function addExpiryChecks(checks: Checks): void {
  addFindingChecks(checks);
  addRemovalChecks(checks);
  if (checks.subject.keeps) addKeptCheck(checks);
}

const at = (ms: number): number => RECORDED_AT + ms;

function expiryOf({ log }: StoreNode): ShardExpiry {
  ok(log.expiry !== undefined, 'it has `expiry`');
  return log.expiry;
}

/** How often a log is asked that has little time, as on a busy machine, and shows fewer than have expired. */
const TRIES = 100;

/** The sequences of what has expired; none of them may have a fault. Asks again until there are so many. */
function dueAt(expiry: ShardExpiry, now: number, count = 0): number[] {
  let due = sequencesDue(expiry, now);
  for (let n = 0; n < TRIES && due.length < count; n++) due = sequencesDue(expiry, now);
  return due;
}

function sequencesDue(expiry: ShardExpiry, now: number): number[] {
  return expiry.due(now).map(({ sequence, fault }) => {
    strictEqual(fault, undefined, `the fault of event ${sequence}`);
    return sequence;
  });
}

function addFindingChecks(checks: Checks): void {
  checks.onNode('tells when its first event expires, and which have expired', async (node) => {
    const expiry = expiryOf(node);
    strictEqual(expiry.first, Number.POSITIVE_INFINITY);
    await node.commit([{}, { expiry: at(30) }, { expiry: at(10) }, {}, { expiry: at(20) }]);
    strictEqual(expiry.first, at(10));
    deepStrictEqual(dueAt(expiry, at(9)), []);
    deepStrictEqual(dueAt(expiry, at(10), 1), [3], 'at its very time an event has expired');
    deepStrictEqual(dueAt(expiry, at(20), 2), [3, 5]);
    deepStrictEqual(dueAt(expiry, at(99), 3), [2, 3, 5], 'in the order of their sequences');
    strictEqual(expiry.first, at(10), '`due` removes nothing');
  });

  checks.onNode('finds every expired event, a bounded number at a time', async (node) => {
    const expiry = expiryOf(node);
    const count = 3000;
    await node.commit(range(1, count).map((n) => ({ expiry: at(n % 7), payload: 1 })));
    const found: number[] = [];
    while (expiry.first <= at(7)) {
      const due = dueAt(expiry, at(7));
      ok(due.length > 0, '`first` names an event that `due` shows');
      strictEqual(expiry.remove(due), due.length);
      found.push(...due);
    }
    deepStrictEqual(
      found.sort((a, b) => a - b),
      range(1, count),
    );
    deepStrictEqual(await node.stored(), []);
  });
}

function addRemovalChecks(checks: Checks): void {
  checks.onNode('removes what has expired, and tells of no gap', async (node) => {
    const expiry = expiryOf(node);
    const topics = ['a', 'a', 'b', 'a', 'b'];
    await node.commit(
      topics.map((topic, n) => ({ topic, ...(n % 2 === 0 ? { expiry: at(n) } : {}) })),
    );
    strictEqual(expiry.remove(dueAt(expiry, at(9), 3)), 3);
    const left = (await node.stored()).map(({ sequence }) => sequence);
    deepStrictEqual(left, [2, 4]);
    const { log } = node;
    deepStrictEqual([log.head, log.prunedEvents], [5, 3]);
    deepStrictEqual([log.topic('a')?.events, log.topic('a')?.firstSequence], [2, 2]);
    strictEqual(log.topic('a')?.prunedThrough, 0, 'an expired event is no gap');
    strictEqual(log.topic('b')?.events ?? 0, 0);
    strictEqual(log.lastSequenceOf?.('b') ?? 5, 5, 'the topic goes on behind its last event');
    strictEqual(expiry.first, Number.POSITIVE_INFINITY);
    deepStrictEqual(dueAt(expiry, at(99)), []);
    deepStrictEqual(await node.commit([{}]), [6], 'no sequence is given again');
  });

  checks.onNode('passes over what it is asked to remove and has not', async (node) => {
    const expiry = expiryOf(node);
    await node.commit([{ expiry: at(1) }, { expiry: at(2) }, {}]);
    strictEqual(expiry.remove([1]), 1);
    strictEqual(expiry.remove([1, 2]), 1);
    strictEqual(expiry.remove([1, 2]), 0);
    deepStrictEqual(
      (await node.stored()).map(({ sequence }) => sequence),
      [3],
    );
  });

  checks.onNode('remembers the id of an event that has expired', async (node) => {
    const expiry = expiryOf(node);
    const event = { id: 'once', flags: BY_PUBLISHER, expiry: at(1) };
    await node.commit([event]);
    strictEqual(expiry.remove([1]), 1);
    strictEqual(repeatOf(node.log, event), 1);
  });

  if (!checks.subject.hasPruning) return;
  checks.onNode('forgets the end of an event that a rule has removed', async (node) => {
    const expiry = expiryOf(node);
    await node.commit([
      { topic: 'gone', expiry: at(1) },
      { topic: 'kept', expiry: at(2) },
    ]);
    const request = { pattern: 'gone', beforeMs: undefined, excessEvents: 1, excessBytes: 0 };
    strictEqual(node.log.pruning!.prune({ ...request, after: 0 }).events, 1);
    strictEqual(expiry.first, at(2));
    deepStrictEqual(dueAt(expiry, at(9), 1), [2]);
  });
}

function addKeptCheck(checks: Checks): void {
  checks.onStore('knows when its events expire when it is opened again', async (store) => {
    await withNode(store, async (node) => {
      await node.commit([{ expiry: at(20) }, { expiry: at(10) }, {}, { expiry: at(30) }]);
      strictEqual(expiryOf(node).remove([2]), 1);
    });
    await withNode(store, async (node) => {
      const expiry = expiryOf(node);
      strictEqual(expiry.first, at(20));
      deepStrictEqual(dueAt(expiry, at(30), 2), [1, 4]);
      strictEqual(expiry.remove([1, 4]), 2);
    });
    await withNode(store, async (node) => {
      strictEqual(expiryOf(node).first, Number.POSITIVE_INFINITY);
      strictEqual((await node.stored()).length, 1);
    });
  });
}

function repeatOf(log: ShardLog, event: { readonly id: string; readonly flags: number }): number {
  return log.findDuplicate(recordOf(event), PADDING);
}
