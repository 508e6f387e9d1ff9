import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { CONTROL_CHANNEL, createLinkMemory } from '../../src/link/link.js';
import { CONTROL_REQUEST } from '../../src/link/link-records.js';
import { PARKED, ShardControl } from '../../src/link/shard-control.js';
import { type DeliveryHandler, ShardProxy } from '../../src/main/shard-proxy.js';
import { CONTROL_RING_BYTES } from '../../src/protocol/limits.js';
import { BufferInbox } from '../../src/ring/buffer-inbox.js';
import { RecordReceiver } from '../../src/ring/record-channel.js';
import { RingConsumer, RingProducer } from '../../src/ring/ring.js';

const IGNORE: DeliveryHandler = { onEvent() {}, onState() {} };
const IS_PARKED = 1;

/** A proxy whose control ring is full of requests, one more waiting; and the shard's end of that ring. */
function fullOfRequests() {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => {
    port1.close();
    port2.close();
  });
  const memory = createLinkMemory(65_536);
  const control = ShardControl.create();
  const doorbell = new SharedArrayBuffer(64);
  const end = { endpoint: 'test', shard: 0, memory, doorbell, port: port1 };
  const proxy = new ShardProxy(end, control, 0, IGNORE, () => {});
  onTestFinished(() => proxy.close());
  const ring = new RingConsumer(memory.controlRing);
  const taken: number[] = [];
  const controls = new RecordReceiver(ring, new BufferInbox(port2), CONTROL_CHANNEL);
  /** As the shard does: true if the endpoint asked to be woken. */
  const take = (): boolean => {
    controls.read((_type, bytes, offset, length) => {
      taken.push(JSON.parse(bytes.toString('utf8', offset + 8, offset + length)).n);
    }, 1024);
    return controls.release();
  };
  const pad = 'x'.repeat(20_000);
  const fits = Math.floor(CONTROL_RING_BYTES / pad.length);
  for (let n = 0; n <= fits; n++) void proxy.request(CONTROL_REQUEST, () => ({ n, pad }));
  return { proxy, control, taken, take, fits, memory };
}

test('room for requests that came while the endpoint was awake is not slept through', () => {
  const { proxy, taken, take, fits } = fullOfRequests();
  expect(proxy.isIdle).toBe(true);
  expect(take()).toBe(true);
  expect(proxy.isIdle).toBe(false);
  proxy.drain(100);
  expect(proxy.isIdle).toBe(true);
  take();
  expect(taken).toEqual(Array.from({ length: fits + 1 }, (_, n) => n));
});

test('requests that had waited for room wake the shard', () => {
  const { proxy, control, take } = fullOfRequests();
  take();
  Atomics.store(control.words, PARKED, IS_PARKED);
  proxy.drain(100);
  expect(Atomics.load(control.words, PARKED)).not.toBe(IS_PARKED);
});

test('room for publishes that came while the endpoint was awake is not slept through', () => {
  const { proxy, memory } = fullOfRequests();
  const publishes = new RingProducer(memory.publishRing);
  publishes.tryClaim(8);
  publishes.commit(1);
  proxy.requestRoom();
  expect(proxy.isIdle).toBe(true);
  const shard = new RingConsumer(memory.publishRing);
  shard.read(() => undefined, 1);
  expect(shard.release()).toBe(true);
  expect(proxy.isIdle).toBe(false);
  proxy.drain(100);
  expect(proxy.isIdle).toBe(true);
});
