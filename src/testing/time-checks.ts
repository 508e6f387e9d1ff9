import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import type { Checks } from './checks.js';
import type { ReadEvent } from './events.js';
import type { StoreNode } from './store-node.js';

/** Checks the times at which events are recorded. A shared store may use its own clock instead of the node's time. */
export function addTimeChecks(checks: Checks): void {
  checks.onNode('never lets recorded time run backwards', async (node) => {
    for (const [at, timestamp] of [[5000], [4000, 70], [6000]] as const) {
      await node.commit([timestamp === undefined ? {} : { timestamp }], at);
    }
    const stored = await node.stored();
    const times = stored.map(({ recordedAt }) => recordedAt);
    if (node.log.isShared) expectAscending(stored);
    else deepStrictEqual(times, [5000, 5000, 6000]);
    strictEqual(stored[1]?.timestamp, 70, 'the event’s own timestamp');
    strictEqual(node.log.lastRecordedAt, times.at(-1));
  });

  checks.onNode('finds a position in history by time', async (node) => {
    await node.commit([{}, {}], 1000);
    await node.commit([{}], 2000);
    await expectPlaces(node);
    if (node.log.isShared) return;
    const places = await Promise.all(
      [999, 1000, 1001, 2000, 3000].map((ms) => node.positionAt(ms)),
    );
    deepStrictEqual(places, [0, 0, 2, 2, 3]);
  });

  if (!checks.subject.isShared) return;
  checks.onTwoNodes('records one time for nodes whose clocks differ', async (one, other) => {
    const hourMs = 3_600_000;
    for (const n of [0, 1, 2]) {
      await one.commit([{ payload: n }], 2 * hourMs + n);
      await other.commit([{ payload: n }], hourMs + n);
    }
    await Promise.all([one.reach(6), other.reach(6)]);
    const stored = await one.stored();
    expectAscending(stored);
    deepStrictEqual(await other.stored(), stored);
    strictEqual(one.log.lastRecordedAt, other.log.lastRecordedAt);
    await expectPlaces(other);
  });
}

function expectAscending(events: readonly ReadEvent[]): void {
  const times = events.map(({ recordedAt }) => recordedAt);
  ok(
    times.every((time, index) => index === 0 || time >= times[index - 1]!),
    `they run backwards: ${times}`,
  );
}

/** Expects of every recorded time that exactly the events recorded before it lie before its position. */
async function expectPlaces(node: StoreNode): Promise<void> {
  const stored = await node.stored();
  for (const { recordedAt } of stored) {
    const before = stored.filter((event) => event.recordedAt < recordedAt);
    strictEqual(await node.positionAt(recordedAt), before.at(-1)?.sequence ?? 0);
    const since = await node.history({ sinceMs: recordedAt, limit: 99 });
    strictEqual(since.length, stored.length - before.length);
  }
}
