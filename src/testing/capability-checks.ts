import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeptFrom } from '../store/pruning.js';
import type { Checks } from './checks.js';
import { BY_PUBLISHER, PADDING, recordOf } from './events.js';
import { range } from './log-checks.js';
import type { StoreNode } from './store-node.js';

/** Ring positions and pruning, for the stores that have them. */
export function addCapabilityChecks(checks: Checks): void {
  if (!checks.subject.isShared) addRingPositionChecks(checks);
  addBackupChecks(checks);
  if (checks.subject.hasPruning) addPruningChecks(checks);
}

function addRingPositionChecks(checks: Checks): void {
  checks.onNode('stores ring positions with a batch, the newest of each endpoint', async (node) => {
    const ring = node.log.ringPositions!;
    node.append([{ id: 'x', flags: BY_PUBLISHER }]);
    await node.log.commit(true, [{ endpoint: 'a', position: 64, firstSequence: 1, settled: 0 }]);
    node.append([{}]);
    const newest = [
      { endpoint: 'a', position: 2 ** 40, firstSequence: 2, settled: 0 },
      { endpoint: 'b', position: 8, firstSequence: 0, settled: 0 },
    ];
    await node.log.commit(true, newest);
    deepStrictEqual(ring.stored(), newest);
    const id = recordOf({ id: 'x', flags: BY_PUBLISHER });
    strictEqual(ring.findAtLastCommit(id, PADDING), 1);
    ring.clear();
    deepStrictEqual(ring.stored(), []);
  });
}

function addPruningChecks(checks: Checks): void {
  const retention = [{ pattern: 'logs.*', maxEvents: 5 }];
  checks.onNode(
    'keeps the newest events of a rule, and everything that no rule names',
    async (node) => {
      await node.commit(range(1, 40).map((n) => ({ topic: n % 2 === 0 ? 'facts' : 'logs.a' })));
      while (node.log.pruning!.pruneStep(Date.now()));
      const odd = (await node.stored()).filter(({ topic }) => topic === 'logs.a');
      deepStrictEqual(
        odd.map(({ sequence }) => sequence),
        [31, 33, 35, 37, 39],
      );
      const { log } = node;
      deepStrictEqual([log.head, log.prunedThrough, log.prunedEvents], [40, 29, 15]);
      deepStrictEqual([log.topic('logs.a')?.events, log.topic('facts')?.events], [5, 20]);
      strictEqual(log.topic('logs.a')?.prunedThrough, 29);
      deepStrictEqual(await node.commit([{}]), [41], 'no sequence is given again');
    },
    { retention },
  );

  checks.onNode(
    'keeps the events of a rule that waits until its consumers are past them',
    async (node) => {
      await node.commit(range(1, 10).map(() => ({})));
      const prune = (keptFrom?: KeptFrom): number => {
        while (node.log.pruning!.pruneStep(Date.now(), keptFrom));
        return node.log.prunedEvents;
      };
      deepStrictEqual([prune(), prune(() => 1)], [0, 0]);
      strictEqual(
        prune((rule) => 4 + rule),
        3,
      );
      strictEqual(
        prune(() => 11),
        10,
      );
    },
    { retention: [{ pattern: '*', untilConsumedBy: ['worker'] }] },
  );

  checks.onNode(
    'keeps the newest events of each topic of a rule, and tells of no gap',
    async (node) => {
      await node.commit(range(1, 30).map((n) => ({ topic: n % 3 === 0 ? 'facts' : `t.${n % 3}` })));
      while (node.log.pruning!.pruneStep(Date.now()));
      const kept = (await node.stored()).filter(({ topic }) => topic !== 'facts');
      deepStrictEqual(
        kept.map(({ sequence }) => sequence),
        [25, 26, 28, 29],
      );
      const { log } = node;
      deepStrictEqual([log.topic('t.1')?.events, log.topic('facts')?.events], [2, 10]);
      deepStrictEqual([log.topic('t.1')?.firstSequence, log.topic('t.1')?.prunedThrough], [25, 0]);
    },
    { retention: [{ pattern: 't.*', keepPerTopic: 2 }] },
  );

  checks.onNode('removes the events that it is asked to, and returns how many', async (node) => {
    await node.commit(range(1, 10).map((n) => ({ topic: n > 3 ? 'kept' : 'gone' })));
    const { pruning } = node.log;
    strictEqual(pruning!.totals('*').events, 10);
    strictEqual(await prune(node, 'gone'), 3);
    strictEqual(pruning!.totals('*').events, 7);
    strictEqual((await node.stored())[0]?.sequence, 4);
  });
}

function addBackupChecks(checks: Checks): void {
  checks.onNode('copies all published events, if it makes backups, and goes on', async (node) => {
    const { opened } = node;
    const { epoch, shards } = opened;
    if (opened.backup === undefined) return;
    await node.commit(range(1, 30).map(() => ({})));
    const place = await mkdtemp(join(tmpdir(), 'millrace-check-'));
    try {
      const sharedHeads = range(1, shards).map((n) => Float64Array.of(n === 1 ? 30 : 0));
      const to = join(place, 'copy');
      const running = opened.backup({ to, sharedHeads, onProgress: undefined });
      const result = await running.result;
      deepStrictEqual([result.epoch, result.heads[0]], [epoch, 30]);
      deepStrictEqual(await node.commit([{}]), [31]);
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  });
}

async function prune({ log }: StoreNode, pattern: string): Promise<number> {
  const request = { pattern, beforeMs: undefined, excessEvents: 3, excessBytes: 0 };
  let removed = 0;
  for (let after: number | undefined = 0; after !== undefined; ) {
    const step = log.pruning!.prune({ ...request, excessEvents: 3 - removed, after });
    removed += step.events;
    after = step.next;
  }
  return removed;
}
