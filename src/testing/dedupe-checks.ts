import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import { type Checks, withNode } from './checks.js';
import { BY_PUBLISHER, BY_SOURCE, type CheckedEvent, PADDING, recordOf } from './events.js';
import type { StoreNode } from './store-node.js';

/** Checks which events count as repeats: equal topic and id, and equal source if the id is the source's own. */
export function addDedupeChecks(checks: Checks): void {
  const { isShared, keeps } = checks.subject;

  checks.onNode('stores an event once if its publisher repeats it', async (node) => {
    await node.commit([{ id: 'x', flags: BY_PUBLISHER }, {}]);
    const again = { id: 'x', flags: BY_PUBLISHER, source: 'anyone', type: 'any' };
    strictEqual(await repeated(node, again), 1);
    deepStrictEqual(await node.commit([{}]), [3], 'it took no sequence');
    strictEqual((await node.stored()).length, 3);
  });

  checks.onNode('treats an id on another topic as another event', async (node) => {
    await node.commit([{ topic: 'a', id: 'x', flags: BY_PUBLISHER }]);
    strictEqual(await repeated(node, { topic: 'b', id: 'x', flags: BY_PUBLISHER }), 0);
    strictEqual(await repeated(node, { topic: 'b', id: 'x', flags: BY_PUBLISHER }), 2);
  });

  checks.onNode('treats a source’s own id from another source as another event', async (node) => {
    await node.commit([{ id: 'x', source: 's', flags: BY_SOURCE }]);
    strictEqual(await repeated(node, { id: 'x', source: 't', flags: BY_SOURCE }), 0);
    strictEqual(await repeated(node, { id: 'x', source: 's', flags: BY_SOURCE }), 1);
    strictEqual(await repeated(node, { id: 'x', source: 's', flags: BY_PUBLISHER }), 0);
  });

  checks.onNode('does not treat an id that the bus made as a publisher’s id', async (node) => {
    await node.commit([{ id: 'x' }]);
    strictEqual(await repeated(node, { id: 'x', flags: BY_PUBLISHER }), 0);
  });

  if (isShared) {
    checks.onNode(
      'stores an event once if it is appended again under an id that the bus made',
      async (node) => {
        const events = [{ id: 'made-1' }, { id: 'made-2' }];
        deepStrictEqual(await node.commit(events), [1, 2]);
        node.append([...events, { id: 'made-3' }]);
        const batch = await node.decide();
        deepStrictEqual(
          [0, 1, 2].map((index) => [batch.sequenceOf(index), batch.isRepeat(index)]),
          [
            [1, true],
            [2, true],
            [3, false],
          ],
        );
      },
    );

    checks.onNode('finds a repeat within a batch when it commits', async (node) => {
      const event = { id: 'x', flags: BY_PUBLISHER };
      node.append([event, {}, event]);
      const batch = await node.decide();
      deepStrictEqual(
        [0, 1, 2].map((index) => [batch.sequenceOf(index), batch.isRepeat(index)]),
        [
          [1, false],
          [2, false],
          [1, true],
        ],
      );
    });
  } else {
    checks.onNode(
      'finds a repeat before it is appended, even of an event in the open batch',
      async (node) => {
        node.append([{ id: 'made' }, { id: 'given', flags: BY_PUBLISHER }]);
        strictEqual(known(node, { id: 'given', flags: BY_PUBLISHER }), 2);
        await node.decide();
        strictEqual(known(node, { id: 'given', flags: BY_PUBLISHER }), 2);
        strictEqual(known(node, { id: 'made', flags: BY_PUBLISHER }), 0);
      },
    );
  }

  if (!keeps) return;
  checks.onStore('knows an id after it was opened again', async (store) => {
    const event = { id: 'x', flags: BY_PUBLISHER };
    await withNode(store, async (node) => {
      // Recorded now: the store may forget ids from before the window.
      await node.commit([{}, event], Date.now());
    });
    await withNode(store, async (node) => strictEqual(await repeated(node, event), 2));
  });
}

function known({ log }: StoreNode, event: CheckedEvent): number {
  return log.findDuplicate(recordOf(event), PADDING);
}

/** The sequence that the event repeats, found as a shard finds it; 0 if it is new, and stored now. */
export async function repeated(node: StoreNode, event: CheckedEvent): Promise<number> {
  const first = known(node, event);
  if (first !== 0) return first;
  node.append([event]);
  const batch = await node.decide();
  return batch.isRepeat(0) ? batch.sequenceOf(0) : 0;
}
