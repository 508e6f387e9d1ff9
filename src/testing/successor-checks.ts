import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { type Checks, withNode } from './checks.js';
import { PADDING, RECORDED_AT, recordOf } from './events.js';
import { range } from './log-checks.js';

/** Checks that a thread that follows another on the same log finds everything. */
export function addSuccessorChecks(checks: Checks): void {
  const { isShared, keeps } = checks.subject;
  if (!isShared && !keeps) return;

  checks.onNode('has all committed events for the successor of a thread', async (node) => {
    await node.commit([{}, {}]);
    const position = { endpoint: 'a', position: 64, firstSequence: 3, settled: 0 };
    node.append([{}]);
    await node.log.commit(true, [position]);
    // A log that is not shared is never open twice: its thread has closed it, or died, before the next one starts.
    if (!isShared) await node.closeLog();
    const next = await node.openSuccessor();
    ok(next.head >= 3, `it opens at ${next.head}, and 3 was shown`);
    strictEqual(next.wentBackwardsFrom, undefined);
    if (!isShared) deepStrictEqual(next.ringPositions?.stored(), [position]);
  });

  if (!isShared) return;
  checks.onNode(
    'stores an event once that a thread and its successor append at once',
    async (node) => {
      const events = range(1, 50).map((n) => ({ id: `both-${n}` }));
      const next = await node.openSuccessor();
      node.append(events);
      for (const event of events) next.append(recordOf(event), PADDING, RECORDED_AT);
      const outcomes = await Promise.all([node.decide(), Promise.resolve(next.commit(true, []))]);
      for (const index of events.keys()) {
        const [one, other] = outcomes.map((outcome) => outcome.sequenceOf(index));
        strictEqual(one, other, 'both are told one sequence');
        const repeats = outcomes.filter((outcome) => outcome.isRepeat(index));
        strictEqual(repeats.length, 1, 'one of them repeats the other');
      }
      strictEqual((await node.stored()).length, events.length);
    },
  );

  checks.onStore(
    'opens for a successor only once it has all events that were shown',
    async (store) => {
      await withNode(store, (one) =>
        withNode(store, async (other) => {
          await one.commit(range(1, 300).map((payload) => ({ payload })));
          const next = await other.openSuccessor(300);
          ok(next.head >= 300, `it opens at ${next.head}`);
        }),
      );
    },
  );
}
