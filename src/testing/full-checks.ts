import { ok, strictEqual } from 'node:assert/strict';
import type { CommittedBatch } from '../store/shard-log.js';
import type { Checks } from './checks.js';
import { repeated } from './dedupe-checks.js';
import { BY_PUBLISHER, type CheckedEvent } from './events.js';
import { range } from './log-checks.js';
import type { StoreNode } from './store-node.js';

const BATCHES_MAX = 1000;
const PAYLOAD = 'x'.repeat(1000);

/** Checks a store that has no room for a batch. */
export function addFullChecks(checks: Checks): void {
  checks.onSmall('refuses a batch that it has no room for, and goes on', async (node) => {
    const named = { id: 'named', flags: BY_PUBLISHER };
    await node.commit([named]);
    const head = await fill(node);
    strictEqual(node.log.head, head);
    strictEqual(await repeated(node, named), 1, 'a repeat needs no room');
    strictEqual((await node.stored()).length, head);
    ok(await isRefused(node, largeBatch()), 'it is still full');
    strictEqual(node.log.head, head);
  });

  if (!checks.subject.isShared) return;
  checks.onSmall(
    'reports which events of a batch are repeats if it has no room for the others',
    async (node) => {
      const named = { id: 'named', flags: BY_PUBLISHER };
      await node.commit([named]);
      await fill(node);
      node.append([...largeBatch(), named]);
      const decided = await node.decide();
      strictEqual(decided.refusal?.code, 'STORE_FULL');
      strictEqual(decided.isRepeat(0), false);
      strictEqual(decided.isRepeat(largeBatch().length), true);
      strictEqual(decided.sequenceOf(largeBatch().length), 1);
    },
  );
}

/** A batch of 20 KB. */
export function largeBatch(): CheckedEvent[] {
  return range(1, 20).map(() => ({ payload: PAYLOAD }));
}

/** Fills the store, and returns its head. */
export async function fill(node: StoreNode): Promise<number> {
  for (const _ of range(1, BATCHES_MAX)) {
    const { head } = node.log;
    if (await isRefused(node, largeBatch())) return head;
  }
  throw new Error(`it took ${BATCHES_MAX} batches and is not full`);
}

/** Commits the events; true if there was no room for them. */
export async function isRefused(
  node: StoreNode,
  events: readonly CheckedEvent[],
): Promise<boolean> {
  node.append(events);
  let decided: CommittedBatch;
  try {
    decided = await node.decide();
  } catch (error) {
    if (node.log.isShared || (error as { code?: unknown }).code !== 'STORE_FULL') throw error;
    return true;
  }
  return decided.refusal !== undefined;
}
