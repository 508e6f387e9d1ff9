import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import {
  LETTER_DUE,
  LETTER_SENT,
  NO_LETTER_WANTED,
  REDRIVEN,
  type StoredDeadEvent,
  type StoredLane,
} from '../store/consumer-states.js';
import type { ShardLog } from '../store/shard-log.js';
import type { Checks } from './checks.js';
import { eventOf } from './events.js';
import { fill, isRefused, largeBatch } from './full-checks.js';
import { range } from './log-checks.js';

/** The state of a lane as a check describes it; omitted fields have defaults. */
function laneOf(lane: Partial<StoredLane> = {}): StoredLane {
  return {
    consumer: 'one',
    lane: 0,
    round: 1,
    position: 7,
    leaseNext: 12,
    acked: 5,
    redelivered: 2,
    lost: 0,
    at: 1_700_000_000_000,
    open: Uint8Array.of(1, 2, 255),
    ...lane,
  };
}

function deadOf(event: Partial<StoredDeadEvent> = {}): StoredDeadEvent {
  const defaults = { consumer: 'one', sequence: 1, diedAt: 1000, attempts: 5, times: 1 };
  return { ...defaults, state: LETTER_DUE, cause: 'nak', reason: 'it failed', ...event };
}

/** The stored lanes, with their bytes as plain arrays, in the order of their names. */
function lanesOf(log: ShardLog): unknown[] {
  const lanes = log.consumers!.load().map((lane) => ({ ...lane, open: [...lane.open] }));
  return lanes.sort((a, b) => (a.consumer + a.lane < b.consumer + b.lane ? -1 : 1));
}

const plain = (lanes: readonly StoredLane[]): unknown[] =>
  lanes.map((lane) => ({ ...lane, open: [...lane.open] }));

/** Checks what a log keeps for durable consumers. */
export function addConsumerChecks(checks: Checks): void {
  addStateChecks(checks);
  addDeadChecks(checks);
  if (checks.subject.hasPruning) addKeptChecks(checks);
  if (!checks.subject.isShared) addSettledCheck(checks);
  const { small } = checks.subject;
  if (small !== undefined && !checks.subject.isShared) addRefusedCheck(checks);
}

function addStateChecks(checks: Checks): void {
  checks.onNode(
    'stores the state of consumers with a batch, the newest of each lane',
    async (node) => {
      const consumers = node.log.consumers!;
      deepStrictEqual(consumers.load(), []);
      consumers.put(laneOf());
      consumers.put(
        laneOf({ lane: 1, position: 2 ** 40, leaseNext: 2 ** 41, open: new Uint8Array() }),
      );
      node.append([{}]);
      await node.decide();
      const open = Uint8Array.of(9);
      consumers.put(laneOf({ position: 8, open }));
      open[0] = 0;
      await node.decide();
      strictEqual(node.log.head, 1, 'a state is no event');
      const second = laneOf({
        lane: 1,
        position: 2 ** 40,
        leaseNext: 2 ** 41,
        open: new Uint8Array(),
      });
      deepStrictEqual(
        lanesOf(node.log),
        plain([laneOf({ position: 8, open: Uint8Array.of(9) }), second]),
      );
    },
  );

  checks.onNode('removes the lanes that a consumer has no more', async (node) => {
    const consumers = node.log.consumers!;
    for (const lane of [0, 1, 2]) consumers.put(laneOf({ lane }));
    consumers.put(laneOf({ consumer: 'two', lane: 1 }));
    await node.decide();
    consumers.removeLanes('one', 1);
    await node.decide();
    deepStrictEqual(lanesOf(node.log), plain([laneOf(), laneOf({ consumer: 'two', lane: 1 })]));
  });

  checks.onNode('removes a consumer, and no other', async (node) => {
    const consumers = node.log.consumers!;
    for (const consumer of ['one', 'two']) {
      for (const lane of [0, 1]) consumers.put(laneOf({ consumer, lane }));
      for (const sequence of range(1, 3)) consumers.putDead(deadOf({ consumer, sequence }));
    }
    await node.decide();
    while (consumers.remove('one')) await node.decide();
    await node.decide();
    const lanes = [0, 1].map((lane) => laneOf({ consumer: 'two', lane }));
    deepStrictEqual(lanesOf(node.log), plain(lanes));
    deepStrictEqual([consumers.deadCount('one'), consumers.deadCount('two')], [0, 3]);
    deepStrictEqual(consumers.dead('one', 0, 10), []);
  });

  if (!checks.subject.keeps) return;
  checks.onNode('has the state of consumers for the successor of a thread', async (node) => {
    node.log.consumers!.put(laneOf());
    node.log.consumers!.putDead(deadOf());
    await node.decide();
    if (!checks.subject.isShared) await node.closeLog();
    const next = await node.openSuccessor();
    deepStrictEqual(lanesOf(next), plain([laneOf()]));
    deepStrictEqual(next.consumers!.lettersDue(10), [deadOf()]);
  });
}

function addDeadChecks(checks: Checks): void {
  checks.onNode('lists the events that are dead for a consumer, in pages', async (node) => {
    const consumers = node.log.consumers!;
    for (const sequence of [5, 1, 9])
      consumers.putDead(deadOf({ sequence, diedAt: 1000 - sequence }));
    consumers.putDead(deadOf({ consumer: 'two', sequence: 3, state: NO_LETTER_WANTED }));
    await node.decide();
    deepStrictEqual(sequencesOf(consumers.dead('one', 0, 2)), [1, 5]);
    deepStrictEqual(sequencesOf(consumers.dead('one', 5, 2)), [9]);
    deepStrictEqual(consumers.dead('two', 0, 2)[0]?.state, NO_LETTER_WANTED);
    deepStrictEqual([consumers.deadCount('one'), consumers.deadCount('two')], [3, 1]);
  });

  checks.onNode('knows the letters that are due, and what was redriven', async (node) => {
    const consumers = node.log.consumers!;
    for (const sequence of range(1, 4)) consumers.putDead(deadOf({ sequence }));
    await node.decide();
    consumers.changeDead('one', 1, LETTER_SENT);
    consumers.changeDead('one', 2, REDRIVEN);
    consumers.changeDead('one', 77, REDRIVEN);
    await node.decide();
    deepStrictEqual(sequencesOf(consumers.lettersDue(10)), [3, 4]);
    deepStrictEqual(sequencesOf(consumers.lettersDue(1)), [3]);
    const behind = (consumer: string, sequence: number) => consumer === 'one' && sequence > 3;
    deepStrictEqual(sequencesOf(consumers.lettersDue(1, behind)), [4]);
    strictEqual(consumers.deadCount('one'), 3);
    deepStrictEqual([consumers.lettersDueCount('one'), consumers.lettersDueCount('two')], [2, 0]);
    deepStrictEqual([consumers.redriven('one'), consumers.redriven('two')], [[2], []]);
    const states = [1, 2, 3, 77].map((sequence) => consumers.deadState('one', sequence));
    deepStrictEqual(states, [LETTER_SENT, REDRIVEN, LETTER_DUE, undefined]);
    consumers.putDead(deadOf({ sequence: 2, times: 2, reason: 'again' }));
    consumers.removeDead('one', 3);
    await node.decide();
    deepStrictEqual(sequencesOf(consumers.lettersDue(10)), [4, 2]);
    deepStrictEqual([consumers.deadCount('one'), consumers.deadForgotten], [3, 0]);
    deepStrictEqual(
      consumers.dead('one', 1, 1)[0],
      deadOf({ sequence: 2, times: 2, reason: 'again' }),
    );
  });
}

/** Retention does not wait for a dead event: its record moves. */
function addKeptChecks(checks: Checks): void {
  checks.onNode('keeps the record of a dead event that it prunes', async (node) => {
    const consumers = node.log.consumers!;
    await node.commit([{ id: 'dead', payload: { n: 1 } }, {}, {}]);
    const [event] = await node.stored();
    for (const consumer of ['one', 'two']) consumers.putDead(deadOf({ consumer }));
    await node.decide();
    strictEqual(consumers.dead('one', 0, 1)[0]?.record, undefined);
    node.log.pruning!.prune({ pattern: '*', excessEvents: 2, excessBytes: 0, after: 0 });
    for (const consumer of ['one', 'two']) {
      const record = consumers.dead(consumer, 0, 1)[0]?.record;
      ok(record !== undefined, 'its record');
      const bytes = Buffer.from(record);
      const { length } = bytes;
      const { recordedAt } = event!;
      deepStrictEqual(eventOf({ sequence: 1, recordedAt, bytes, offset: 0, length }), event);
    }
    consumers.changeDead('one', 1, REDRIVEN);
    consumers.putDead(deadOf({ times: 2 }));
    await node.decide();
    ok(consumers.dead('one', 0, 1)[0]?.record !== undefined, 'it died again');
  });
}

function addSettledCheck(checks: Checks): void {
  checks.onNode('stores the number of each endpoint’s last settlement', async (node) => {
    const { log } = node;
    const ring = log.ringPositions!;
    node.append([{}]);
    await log.commit(true, [{ endpoint: 'a', position: 64, firstSequence: 1, settled: 0 }]);
    const both = [
      { endpoint: 'a', position: 0, firstSequence: 0, settled: 3 },
      { endpoint: 'b', position: 0, firstSequence: 0, settled: 2 ** 40 },
    ];
    await log.commit(true, both);
    strictEqual(log.head, 1);
    node.append([{}]);
    await log.commit(true, [{ endpoint: 'b', position: 8, firstSequence: 2, settled: 0 }]);
    deepStrictEqual(ring.stored(), [
      { endpoint: 'a', position: 64, firstSequence: 1, settled: 3 },
      { endpoint: 'b', position: 8, firstSequence: 2, settled: 2 ** 40 },
    ]);
  });
}

function addRefusedCheck(checks: Checks): void {
  checks.onSmall('stores no state with a batch that it has no room for', async (node) => {
    const consumers = node.log.consumers!;
    consumers.put(laneOf());
    consumers.putDead(deadOf());
    await node.decide();
    await fill(node);
    consumers.put(laneOf({ position: 99 }));
    consumers.put(laneOf({ consumer: 'two' }));
    consumers.removeDead('one', 1);
    consumers.putDead(deadOf({ sequence: 2 }));
    ok(await isRefused(node, largeBatch()), 'it is full');
    deepStrictEqual(lanesOf(node.log), plain([laneOf()]));
    deepStrictEqual(consumers.lettersDue(10), [deadOf()]);
    deepStrictEqual(consumers.dead('one', 0, 10), [deadOf()]);
    strictEqual(consumers.deadCount('one'), 1);
  });
}

function sequencesOf(events: readonly StoredDeadEvent[]): number[] {
  return events.map(({ sequence }) => sequence);
}
