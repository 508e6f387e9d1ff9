import { deepStrictEqual, notStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict';
import type { ErrorCode } from '../protocol/errors.js';
import type { LogStore } from '../store/log-store.js';
import { type Checks, withNode } from './checks.js';
import { StoreNode } from './store-node.js';

/** Checks a store's promises about opening it. */
export function addOpeningChecks(checks: Checks): void {
  const {
    isShared,
    keeps,
    hasPruning,
    hasConsumers = false,
    hasScheduled = false,
    hasExpiry = false,
  } = checks.subject;

  checks.onNode('has the capabilities that its description claims', async ({ opened, log }) => {
    strictEqual(log.isShared, isShared, 'isShared');
    strictEqual(log.ringPositions !== undefined, !isShared, 'ringPositions');
    strictEqual(log.pruning !== undefined, hasPruning, 'pruning');
    strictEqual(log.consumers !== undefined, hasConsumers, 'consumers');
    strictEqual(log.scheduled !== undefined, hasScheduled, 'scheduled');
    strictEqual(log.expiry !== undefined, hasExpiry, 'expiry');
    strictEqual(log.follow !== undefined, isShared, 'follow');
    ok(opened.history !== undefined || log.pages !== undefined, 'history, or pages of each log');
  });

  checks.onStore('has the number of shards that it is asked for, and an epoch', async (store) => {
    await withNode(store, async ({ opened }) => {
      ok(Number.isInteger(opened.shards) && opened.shards > 0, `${opened.shards} shards`);
      notStrictEqual(opened.epoch, '');
      const { shards } = opened;
      if (isShared)
        await withNode(store, async (again) => strictEqual(again.opened.shards, shards));
    });
  });

  checks.onNode('begins empty', async (node) => {
    const { head, syncedHead, lastRecordedAt, wentBackwardsFrom, prunedThrough } = node.log;
    deepStrictEqual([head, syncedHead, lastRecordedAt, prunedThrough], [0, 0, 0, 0]);
    strictEqual(wentBackwardsFrom, undefined);
    deepStrictEqual(await node.stored(), []);
  });

  checks.onNode(
    'takes a cursor of its epoch, tells what it lacks of one, and refuses any other',
    async (node) => {
      const { opened } = node;
      const { epoch, shards } = opened;
      await node.commit([{}, {}]);
      const positions = Array.from({ length: shards }, (_, shard) => (shard === 0 ? 1 : 0));
      const heads = positions.map((_, shard) => (shard === 0 ? 2 : 0));
      const resolve = async (of: string, at: number[]) =>
        opened.resolveCursor({ epoch: of, positions: at }, heads);
      deepStrictEqual(await resolve(epoch, positions), { positions, gaps: [] });
      const beyond = positions.map((one, shard) => (shard === 0 ? 5 : one));
      deepStrictEqual(await resolve(epoch, beyond), {
        positions: heads,
        gaps: [{ shard: 0, from: 3, to: 5, reason: 'rolled-back' }],
      });
      await refuses(() => resolve('of-another-history', positions), 'CURSOR_EXPIRED');
      await refuses(() => resolve(epoch, [...positions, 0]), 'CURSOR_INVALID');
    },
  );

  if (keeps) addKeepingChecks(checks);
}

function addKeepingChecks(checks: Checks): void {
  checks.onStore('has its events and its epoch when it is opened again', async (store) => {
    const before = await nodeWith(store, async (node) => {
      await node.commit([{ topic: 'a', payload: 'é' }, { topic: 'b' }]);
      return { epoch: node.opened.epoch, shards: node.opened.shards, events: await node.stored() };
    });
    await withNode(store, async (node) => {
      const { epoch, shards } = node.opened;
      deepStrictEqual({ epoch, shards, events: await node.stored() }, before);
      deepStrictEqual([node.log.head, node.log.syncedHead], [2, 2]);
      strictEqual(node.log.topic('a')?.lastSequence, 1);
      deepStrictEqual(await node.commit([{}]), [3]);
    });
  });

  checks.onStore('refuses another number of shards than it has', async (store) => {
    const shards = await nodeWith(store, async ({ opened }) => opened.shards);
    await refuses(() => StoreNode.open(store, { shards: shards + 1 }), 'SHARD_COUNT_MISMATCH');
    await withNode(store, async () => {});
  });

  if (checks.subject.isShared) return;
  checks.onStore('refuses to be opened twice at a time', async (store) => {
    await withNode(store, async () => {
      await refuses(() => StoreNode.open(store), 'STORE_LOCKED');
    });
    await withNode(store, async () => {});
  });
}

async function nodeWith<T>(store: LogStore, work: (node: StoreNode) => Promise<T>): Promise<T> {
  const results: T[] = [];
  await withNode(store, async (node) => {
    results.push(await work(node));
  });
  return results[0]!;
}

async function refuses(work: () => Promise<unknown>, code: ErrorCode): Promise<void> {
  await rejects(work, { code });
}
