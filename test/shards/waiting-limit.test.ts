import { expect, test } from 'vitest';
import { ACK_REFUSED, ACK_WAITING_WRITTEN } from '../../src/link/link-records.js';
import { WAITING_PUBLISHES_MAX } from '../../src/protocol/limits/schedules.js';
import { makeShard, TestLink } from './support.js';

const LATER = Date.now() + 3_600_000;
const event = (id: string) => ({ topic: 'a', id });

/** A shard in which so many publishes wait that one more may. */
function almostFull() {
  const rig = makeShard();
  const { scheduled } = rig.log;
  const { get } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(scheduled), 'waiting')!;
  const waiting = () => WAITING_PUBLISHES_MAX - 1 + (get!.call(scheduled) as number);
  Object.defineProperty(scheduled, 'waiting', { get: waiting });
  const link = new TestLink();
  rig.join(link);
  return { ...rig, link };
}

test('a publish that is to wait is refused where as many wait as may', () => {
  const { link, turn } = almostFull();
  link.publishOnTerms(event('one'), { deliverAt: LATER });
  link.publishOnTerms(event('two'), { deliverAt: LATER });
  turn();
  expect(link.acks()).toMatchObject([
    { kind: ACK_WAITING_WRITTEN },
    { kind: ACK_REFUSED, code: 'LIMIT_EXCEEDED' },
  ]);
});

test('a group is refused whole where not all of it may wait', () => {
  const { link, turn } = almostFull();
  link.publishGroup([
    { ...event('one'), deliverAt: LATER },
    { ...event('two'), deliverAt: LATER },
  ]);
  link.publishGroup([{ ...event('three'), deliverAt: LATER }]);
  turn();
  expect(link.acks()).toMatchObject([
    { kind: ACK_REFUSED, code: 'LIMIT_EXCEEDED' },
    { kind: ACK_WAITING_WRITTEN },
  ]);
});
