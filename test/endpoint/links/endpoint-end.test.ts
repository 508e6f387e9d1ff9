import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import {
  type DeliveryHandler,
  DeliveryReader,
} from '../../../src/endpoint/links/delivery-reader.js';
import { EndpointEnd } from '../../../src/endpoint/links/endpoint-end.js';
import { CONTROL_CHANNEL, createLinkMemory } from '../../../src/link/link.js';
import {
  CALL_REQUEST,
  CONTROL_CREDIT,
  CREDIT_SUBSCRIPTION,
} from '../../../src/link/link-records.js';
import { PARKED, ShardControl } from '../../../src/link/shard-control.js';
import { BusError } from '../../../src/protocol/errors.js';
import { CONTROL_RING_BYTES } from '../../../src/protocol/limits/links.js';
import { BufferInbox } from '../../../src/ring/buffer-inbox.js';
import { RecordReceiver } from '../../../src/ring/record-channel.js';
import { RingConsumer, RingProducer } from '../../../src/ring/ring.js';
import { KeepAlive } from '../../../src/threads/keep-alive.js';
import { watch } from '../../bus/support/wait.js';

const IGNORE: DeliveryHandler = { onEvent() {}, onState() {}, payCredit() {} };
const IS_PARKED = 1;

/** An endpoint's end whose control ring is full of requests, one more waiting; and the shard's end of that ring. */
function fullOfCalls(handler = IGNORE) {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => {
    port1.close();
    port2.close();
  });
  const memory = createLinkMemory(65_536);
  const control = ShardControl.create();
  const doorbell = new SharedArrayBuffer(64);
  const linkEnd = { endpoint: 'test', shard: 0, memory, doorbell, port: port1 };
  const end = new EndpointEnd(linkEnd, control, 0, new KeepAlive());
  const reader = new DeliveryReader(linkEnd, end, handler, { onRecord() {} });
  const ring = new RingConsumer(memory.controlRing);
  const taken: number[] = [];
  const credited: number[] = [];
  const controls = new RecordReceiver(ring, new BufferInbox(port2), CONTROL_CHANNEL);
  /** As the shard does: true if the endpoint asked to be woken. */
  const take = (): boolean => {
    controls.read((type, bytes, offset, length) => {
      if (type === CONTROL_CREDIT) credited.push(bytes.readInt32LE(offset + CREDIT_SUBSCRIPTION));
      else
        taken.push(
          JSON.parse(bytes.toString('utf8', offset + CALL_REQUEST, offset + length)).after,
        );
    }, 1024);
    return controls.release();
  };
  const pad = 'x'.repeat(20_000);
  const fits = Math.floor(CONTROL_RING_BYTES / pad.length);
  for (let n = 0; n <= fits; n++) {
    end.call('topics', () => ({ patterns: [pad], after: n })).catch(() => {});
  }
  return { end, reader, control, taken, credited, take, fits, memory };
}

test('room for requests that came while the endpoint was awake is not slept through', () => {
  const { reader, taken, take, fits } = fullOfCalls();
  expect(reader.isIdle).toBe(true);
  expect(take()).toBe(true);
  expect(reader.isIdle).toBe(false);
  reader.drain(100);
  expect(reader.isIdle).toBe(true);
  take();
  expect(taken).toEqual(Array.from({ length: fits + 1 }, (_, n) => n));
});

test('requests that had waited for room wake the shard', () => {
  const { reader, control, take } = fullOfCalls();
  take();
  Atomics.store(control.words, PARKED, IS_PARKED);
  reader.drain(100);
  expect(Atomics.load(control.words, PARKED)).not.toBe(IS_PARKED);
});

test('room for publishes that came while the endpoint was awake is not slept through', () => {
  const { end, reader, memory } = fullOfCalls();
  const publishes = new RingProducer(memory.publishRing);
  publishes.tryClaim(8);
  publishes.commit(1);
  end.requestRoom();
  expect(reader.isIdle).toBe(true);
  const shard = new RingConsumer(memory.publishRing);
  shard.read(() => undefined, 1);
  expect(shard.release()).toBe(true);
  expect(reader.isIdle).toBe(false);
  reader.drain(100);
  expect(reader.isIdle).toBe(true);
});

test('credit that found no room is paid once there is room, once per subscription', () => {
  const payCredit = (to: EndpointEnd, subscription: number): void => {
    to.credit(subscription, 1, 100);
  };
  const { end, reader, take, credited, fits } = fullOfCalls({ ...IGNORE, payCredit });
  // More records of credit than fit leave less room than one of them needs.
  const owing = Array.from({ length: 20_000 }, (_, n) => n + 1);
  const unpaid = owing.filter((subscription) => !end.credit(subscription, 1, 100));
  expect(unpaid.length).toBeGreaterThan(0);
  for (let turn = 0; turn <= fits + 20 && credited.length < owing.length; turn++) {
    take();
    reader.drain(100);
  }
  take();
  expect(credited.sort((a, b) => a - b)).toEqual(owing);
});

test('credit that found no room is not paid to a new thread of the shard, whose windows include it', () => {
  const asked: number[] = [];
  const payCredit = (_: EndpointEnd, subscription: number): void => {
    asked.push(subscription);
  };
  const { end, reader, take } = fullOfCalls({ ...IGNORE, payCredit });
  for (let n = 1; end.credit(n, 1, 100); n++);
  const { port1 } = new MessageChannel();
  end.relink(port1, 2, () => {});
  take();
  reader.drain(100);
  expect(asked).toEqual([]);
});

test('a call made while no thread runs is sent to the next one', async () => {
  const { end, reader, taken, take } = fullOfCalls();
  take();
  reader.drain(100);
  take();
  const before = [...taken];
  taken.length = 0;
  const { port1 } = new MessageChannel();
  end.relink(port1, 2, () => {});
  take();
  reader.drain(100);
  take();
  expect(taken).toEqual(before);
  port1.close();
});

test('a call that may not be served twice fails if its shard died with it', async () => {
  const { end, reader, take } = fullOfCalls();
  take();
  reader.drain(100);
  const step = { pattern: '*', excessEvents: 1, excessBytes: 0, after: 0 };
  const once = end.call('pruneStep', () => step);
  const again = watch(end.call('totals', () => ({ pattern: '*' })));
  const { port1 } = new MessageChannel();
  end.relink(port1, 2, () => {});
  await expect(once).rejects.toMatchObject({ code: 'SHARD_RESTARTED' });
  expect(again.settled).toBe(false);
  port1.close();
});

test('no call stays open when the shard is given up', async () => {
  const { end } = fullOfCalls();
  const failure = new BusError('STORE_FAILED', 'given up');
  const open = end.call('totals', () => ({ pattern: '*' }));
  end.fail(failure);
  await expect(open).rejects.toBe(failure);
  await expect(end.call('totals', () => ({ pattern: '*' }))).rejects.toBe(failure);
});
