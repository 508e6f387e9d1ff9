import { deepStrictEqual, notStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { type Checks, withNode } from './checks.js';
import { repeated } from './dedupe-checks.js';
import { BY_PUBLISHER } from './events.js';
import { range } from './log-checks.js';

/** Checks the further promises of a shared log: other nodes append to it, and commits may come late. */
export function addSharedLogChecks(checks: Checks): void {
  checks.onTwoNodes(
    'shows every node the events of all nodes, in one order',
    async (one, other) => {
      await one.commit([{ id: 'a' }, { id: 'b' }]);
      await other.commit([{ id: 'c' }]);
      await one.commit([{ id: 'd' }]);
      await Promise.all([one.reach(4), other.reach(4)]);
      const stored = await one.stored();
      deepStrictEqual(
        stored.map(({ id }) => id),
        ['a', 'b', 'c', 'd'],
      );
      deepStrictEqual(await other.stored(), stored);
      strictEqual(other.log.topic('checked.topic')?.events, 4);
    },
  );

  checks.onTwoNodes('notifies a node of events that another appended', async (one, other) => {
    await one.commit([{}]);
    await other.reach(1);
    ok(other.advances > 0, 'onAdvance');
    strictEqual(other.log.lastRecordedAt, one.log.lastRecordedAt);
  });

  checks.onNode('calls no follower from within a call to the log', async (node) => {
    await node.commit([{}]);
    const before = node.advances;
    node.append([{}]);
    const decided = node.decide();
    node.log.read({ after: 0, limit: 9 }, () => undefined);
    node.log.maintain();
    const { advances } = node;
    await decided;
    strictEqual(advances, before);
  });

  checks.onNode(
    'has a whole batch at or below its head once the batch is decided',
    async (node) => {
      node.append([{}, {}, {}]);
      const batch = await node.decide();
      ok(node.log.head >= batch.sequenceOf(2), `${node.log.head} is before ${batch.sequenceOf(2)}`);
      strictEqual((await node.stored()).length, 3);
    },
  );

  checks.onTwoNodes('keeps apart the batches that nodes commit at once', async (one, other) => {
    const batches = 20;
    const commits = async (node: typeof one, name: string): Promise<Map<string, number>> => {
      const sequences = new Map<string, number>();
      for (const n of range(1, batches)) {
        const ids = [`${name}-${n}-a`, `${name}-${n}-b`];
        const given = await node.commit(ids.map((id) => ({ id })));
        for (const [index, id] of ids.entries()) sequences.set(id, given[index]!);
      }
      return sequences;
    };
    const [mine, theirs] = await Promise.all([commits(one, 'one'), commits(other, 'other')]);
    await one.reach(4 * batches);
    const stored = await one.stored();
    deepStrictEqual(
      stored.map(({ sequence }) => sequence),
      range(1, 4 * batches),
    );
    const given = new Map([...mine, ...theirs]);
    for (const { id, sequence } of stored) strictEqual(given.get(id), sequence, id);
  });

  checks.onTwoNodes('finds the repeat of an event that another node stored', async (one, other) => {
    await one.commit([{}, { id: 'x', flags: BY_PUBLISHER }]);
    strictEqual(await repeated(other, { id: 'x', flags: BY_PUBLISHER }), 2);
    await one.commit([{}]);
    strictEqual((await one.stored()).length, 3);
  });

  checks.onStore('shows a later node all events from the first on', async (store) => {
    await withNode(store, async (one) => {
      for (const n of range(0, 9)) {
        await one.commit(range(1, 300).map((m) => ({ payload: 300 * n + m })));
      }
      await withNode(store, async (late) => {
        notStrictEqual(late.log.head, 0);
        await late.reach(3000);
        const payloads = (await late.stored()).map(({ payload }) => payload);
        deepStrictEqual(payloads, range(1, 3000));
      });
    });
  });

  checks.onTwoNodes(
    'shows two readers at two places the events that each asks for',
    async (one, other) => {
      await one.commit(range(1, 3000).map((payload) => ({ payload })));
      await other.reach(3000);
      const readers = [0, 1400].map((after) => other.stored(after));
      const [all, rest] = await Promise.all(readers);
      deepStrictEqual([all!.length, rest!.length], [3000, 1600]);
      strictEqual(rest![0]?.payload, 1401);
    },
  );
}
