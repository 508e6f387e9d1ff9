import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { EventRecordView } from '../record/event-record.js';
import { FIRST_WAITING, type StoredSchedule, type WaitingPublish } from '../store/scheduled.js';
import type { ShardLog } from '../store/shard-log.js';
import { type Checks, withNode } from './checks.js';
import { BY_PUBLISHER, PADDING, recordOf } from './events.js';
import { fill, isRefused, largeBatch } from './full-checks.js';
import { range } from './log-checks.js';

const ONE: StoredSchedule = {
  name: 'nightly',
  handledUntil: 1_700_000_000_000,
  fired: 3,
  lastAt: 1_699_999_999_999,
  definition: '{"event":{"topic":"a"}}',
};

function put(log: ShardLog, id: string, dueAt: number): void {
  log.scheduled!.put(recordOf({ id, flags: BY_PUBLISHER }), PADDING, { dueAt, acceptedAt: 7 });
}

function unexpected(reason: string): void {
  ok(false, `it has told of damage: ${reason}`);
}

const idsOf = (publishes: readonly WaitingPublish[]): string[] =>
  publishes.map(({ record }) => new EventRecordView().wrap(record, 0).id);

/** Checks what a log keeps for later. */
export function addScheduledChecks(checks: Checks): void {
  addWaitingChecks(checks);
  addScheduleCheck(checks);
  const { small } = checks.subject;
  if (small !== undefined && !checks.subject.isShared) addRefusedCheck(checks);
}

function addWaitingChecks(checks: Checks): void {
  checks.onNode(
    'keeps waiting publishes with a batch, in the order of their times',
    async (node) => {
      const scheduled = node.log.scheduled!;
      deepStrictEqual([scheduled.waiting, scheduled.firstDue], [0, Number.POSITIVE_INFINITY]);
      for (const [id, dueAt] of [
        ['c', 30],
        ['a', 10],
        ['b', 10],
      ] as const)
        put(node.log, id, dueAt);
      strictEqual(scheduled.find(recordOf({ id: 'a', flags: BY_PUBLISHER }), PADDING), 10);
      await node.log.commit(true, []);
      strictEqual(node.log.head, 0, 'a waiting publish is no event');
      deepStrictEqual([scheduled.waiting, scheduled.firstDue], [3, 10]);
      deepStrictEqual(idsOf(scheduled.due(9, 10)), []);
      deepStrictEqual(idsOf(scheduled.due(10, 10)), ['a', 'b']);
      deepStrictEqual(idsOf(scheduled.due(30, 2)), ['a', 'b']);
      const first = scheduled.page(FIRST_WAITING, 2);
      deepStrictEqual(idsOf(first), ['a', 'b']);
      deepStrictEqual(idsOf(scheduled.page(first[1]!, 2)), ['c']);
      deepStrictEqual(
        scheduled
          .withId('c', undefined, FIRST_WAITING, 5)
          .map(({ dueAt, acceptedAt }) => [dueAt, acceptedAt]),
        [[30, 7]],
      );
      deepStrictEqual(scheduled.withId('c', 'no.such.topic', FIRST_WAITING, 5), []);
    },
  );

  checks.onNode('makes an event of a waiting publish in one commit', async (node) => {
    const scheduled = node.log.scheduled!;
    for (const n of range(1, 3)) put(node.log, `id-${n}`, n);
    await node.log.commit(true, []);
    const [one] = scheduled.due(5, 1);
    scheduled.remove(one!.number);
    node.append([{ id: 'id-1', flags: BY_PUBLISHER }]);
    await node.decide();
    deepStrictEqual([node.log.head, scheduled.waiting, scheduled.firstDue], [1, 2, 2]);
    strictEqual(scheduled.find(recordOf({ id: 'id-1', flags: BY_PUBLISHER }), PADDING), undefined);
    ok(node.log.findDuplicate(recordOf({ id: 'id-1', flags: BY_PUBLISHER }), PADDING) === 1);
    strictEqual(scheduled.find(recordOf({ id: 'id-2' }), PADDING), undefined, 'an id of the bus');
  });

  if (!checks.subject.keeps) return;
  checks.onStore('has what it keeps for later when it is opened again', async (store) => {
    await withNode(store, async ({ log }) => {
      for (const n of range(1, 5)) put(log, `id-${n}`, 100 - n);
      log.scheduled!.putSchedule(ONE);
      await log.commit(true, []);
    });
    await withNode(store, async ({ log }) => {
      const scheduled = log.scheduled!;
      deepStrictEqual([scheduled.waiting, scheduled.firstDue], [5, 95]);
      deepStrictEqual(idsOf(scheduled.due(200, 2)), ['id-5', 'id-4']);
      deepStrictEqual(scheduled.schedules(unexpected), [ONE]);
    });
  });
}

function addScheduleCheck(checks: Checks): void {
  checks.onNode('keeps the newest state of each schedule', async (node) => {
    const scheduled = node.log.scheduled!;
    deepStrictEqual(scheduled.schedules(unexpected), []);
    scheduled.putSchedule(ONE);
    scheduled.putSchedule({ ...ONE, name: 'other' });
    await node.log.commit(true, []);
    scheduled.putSchedule({ ...ONE, fired: 4 });
    scheduled.removeSchedule('other');
    scheduled.removeSchedule('none');
    await node.log.commit(true, []);
    deepStrictEqual(scheduled.schedules(unexpected), [{ ...ONE, fired: 4 }]);
  });
}

function addRefusedCheck(checks: Checks): void {
  checks.onSmall('keeps what waits where its batch is refused for want of room', async (node) => {
    put(node.log, 'kept', 5);
    await node.log.commit(true, []);
    await fill(node);
    const [one] = node.log.scheduled!.due(5, 1);
    node.log.scheduled!.remove(one!.number);
    ok(await isRefused(node, largeBatch()), 'it is full');
    deepStrictEqual([node.log.scheduled!.waiting, node.log.scheduled!.firstDue], [1, 5]);
  });
}
