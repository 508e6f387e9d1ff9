import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { BufferInbox } from '../../src/ring/buffer-inbox.js';
import { RecordReceiver, RecordSender } from '../../src/ring/record-channel.js';
import { createRing, RingConsumer, RingProducer } from '../../src/ring/ring.js';
import { PublishGate } from '../../src/shards/publish-gate.js';

/** Shortly before positions wrap. */
const START = 2 ** 31 - 48;
const RECORD_BYTES = 16;

/** A ring of an endpoint, and the shard's end of it. */
function ring() {
  const buffer = createRing(1024, START);
  const { port1, port2 } = new MessageChannel();
  const producer = new RingProducer(buffer);
  const sender = new RecordSender(producer, port1);
  const receiver = new RecordReceiver(new RingConsumer(buffer), new BufferInbox(port2));
  return {
    receiver,
    producer,
    /** Puts records into the ring; returns the position behind them. */
    put(count = 1): number {
      for (let n = 0; n < count; n++) {
        sender.tryClaim(8);
        sender.commit(1);
      }
      return producer.position;
    },
    take: (count: number, until?: number) => receiver.read(() => undefined, count, until),
    /** Puts a reference to a buffer that never arrives, as a sender does that dies after it. */
    putStalled(): void {
      const lost = new RecordSender(producer, new MessageChannel().port1);
      lost.tryClaim(600);
      lost.commit(1);
    },
  };
}

function rig() {
  const [publishes, commands] = [ring(), ring()];
  return { publishes, commands, gate: new PublishGate(publishes.receiver, commands.receiver) };
}

describe('publishes behind the commands of their endpoint', () => {
  it('are not bound before the first look', () => {
    expect(rig().gate.until).toBeUndefined();
  });

  it('are all let through where no command is in the ring', () => {
    const { publishes, gate } = rig();
    const end = publishes.put(3);
    gate.look();
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(3);
    expect(gate.until).toBe(end);
  });

  it('that come after a look wait for the next', () => {
    const { publishes, gate } = rig();
    publishes.put();
    gate.look();
    publishes.put();
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(1);
    gate.look();
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(1);
  });

  it('are none until the commands that were sent before them are read', () => {
    const { publishes, commands, gate } = rig();
    commands.put(2);
    publishes.put();
    gate.look();
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(0);
    commands.take(1);
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(0);
    commands.take(1);
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(1);
  });

  it('get through where commands come as fast as they are read, and only those noted with them', () => {
    const { publishes, commands, gate } = rig();
    commands.put();
    publishes.put();
    gate.look();
    commands.put();
    publishes.put();
    gate.look();
    commands.take(1);
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(1);
    gate.look();
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(0);
    commands.take(1);
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(1);
  });

  it('get through where a command stalls, which its endpoint will send anew', () => {
    const { publishes, commands, gate } = rig();
    commands.putStalled();
    publishes.put();
    gate.look();
    expect(commands.take(10)).toBe(0);
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(1);
  });

  it('are all let through when the endpoint sends no more commands', () => {
    const { publishes, commands, gate } = rig();
    commands.put();
    publishes.put(2);
    gate.look();
    publishes.put();
    gate.open();
    expect(publishes.take(10, gate.until)).toBe(3);
  });

  it('are bound from where the ring was read to, if the gate is made in the middle of a life', () => {
    const { publishes, commands } = rig();
    commands.put(2);
    publishes.put(2);
    publishes.take(1);
    const gate = new PublishGate(publishes.receiver, commands.receiver);
    gate.look();
    expect(gate.until).toBe((START + RECORD_BYTES) | 0);
    gate.pass();
    expect(publishes.take(10, gate.until)).toBe(0);
  });
});
