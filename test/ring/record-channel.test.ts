import { MessageChannel, type MessagePort } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BUFFER_CHANNEL, BUFFER_HEADER_LENGTH, BufferInbox } from '../../src/ring/buffer-inbox.js';
import {
  RecordReceiver,
  RecordSender,
  type RecordSenderOptions,
} from '../../src/ring/record-channel.js';
import { createRing, RingConsumer, RingProducer } from '../../src/ring/ring.js';

/** In these tests, records over 120 bytes are long records. */
const CAPACITY = 1024;

function channel() {
  const created = new MessageChannel();
  onTestFinished(() => created.port1.close());
  return created;
}

function linked(options: RecordSenderOptions = {}) {
  const ring = createRing(CAPACITY);
  const { port1, port2 } = channel();
  const sender = new RecordSender(new RingProducer(ring), port1, options);
  const inbox = new BufferInbox(port2);
  const receiver = new RecordReceiver(new RingConsumer(ring), inbox);
  return { ring, port1, port2, sender, inbox, receiver };
}

function send(sender: RecordSender, type: number, length: number): boolean {
  if (!sender.tryClaim(length)) return false;
  sender.bytes.fill(type, sender.offset, sender.offset + length);
  sender.commit(type);
  return true;
}

function receive(receiver: RecordReceiver, limit = 100): string[] {
  const records: string[] = [];
  receiver.read((type, bytes, offset, length) => {
    expect(bytes.subarray(offset, offset + length).equals(Buffer.alloc(length, type))).toBe(true);
    records.push(`${type}: ${length}`);
  }, limit);
  return records;
}

describe('a record channel', () => {
  it('carries records of any length in order', () => {
    const { sender, receiver } = linked();
    const lengths = [0, 120, 121, 5, 2_000_000, 7];
    for (const [type, length] of lengths.entries()) send(sender, type, length);
    expect(receive(receiver)).toEqual(['0: 0', '1: 120', '2: 121', '3: 5', '4: 2000000', '5: 7']);
  });

  it('commits fewer bytes than were claimed, also of long records', () => {
    const { sender, receiver } = linked();
    for (const length of [100, 1000]) {
      sender.tryClaim(length);
      sender.bytes.fill(9, sender.offset, sender.offset + 10);
      sender.commit(9, 10);
    }
    sender.tryClaim(1000);
    expect(() => sender.commit(9, 1001)).toThrow('1001 bytes committed of 1000');
    sender.abort();
    expect(receive(receiver)).toEqual(['9: 10', '9: 10']);
  });

  it('leaves nothing of an aborted long record', () => {
    const { sender, receiver } = linked();
    sender.tryClaim(1000);
    sender.abort();
    expect(sender.bytesInFlight).toBe(0);
    send(sender, 1, 4);
    send(sender, 2, 400);
    expect(receive(receiver)).toEqual(['1: 4', '2: 400']);
  });

  it('refuses its own record types, and a ring that cannot hold a reference', () => {
    const { sender, port1 } = linked();
    sender.tryClaim(4);
    expect(() => sender.commit(-2)).toThrow('not -2');
    expect(() => new RecordSender(new RingProducer(createRing(128)), port1)).toThrow('128 bytes');
  });

  it('takes a ring whose longest record is a reference', () => {
    const { port1, port2 } = channel();
    const ring = createRing(64);
    const producer = new RingProducer(ring, 2.6);
    expect(producer.maxRecordLength).toBe(16);
    const sender = new RecordSender(producer, port1);
    const receiver = new RecordReceiver(new RingConsumer(ring), new BufferInbox(port2));
    for (const type of [1, 2, 3]) {
      expect(send(sender, type, 17)).toBe(true);
      expect(receive(receiver)).toEqual([`${type}: 17`]);
      receiver.release();
    }
  });

  it('sends the longest record of its ring without a buffer', () => {
    const { sender } = linked();
    send(sender, 1, sender.producer.maxRecordLength);
    expect(sender.bytesInFlight).toBe(0);
    send(sender, 1, sender.producer.maxRecordLength + 1);
    expect(sender.bytesInFlight).toBeGreaterThan(0);
  });

  it('commits no length below zero, and nothing of a long record if that is all', () => {
    const { sender, receiver } = linked();
    sender.tryClaim(1000);
    expect(() => sender.commit(9, -1)).toThrow('-1 bytes committed of 1000');
    sender.commit(9, 0);
    expect(receive(receiver)).toEqual(['9: 0']);
  });

  it('bounds the bytes in flight, and always lets one record through', () => {
    const { sender, receiver } = linked({ bytesInFlightMax: 1000 });
    expect(send(sender, 1, 5000)).toBe(true);
    expect(send(sender, 2, 200)).toBe(false);
    expect(send(sender, 3, 20)).toBe(true);
    receive(receiver);
    expect(send(sender, 4, 200)).toBe(false);
    receiver.release();
    expect(send(sender, 5, 400)).toBe(true);
    expect(send(sender, 6, 400)).toBe(true);
    expect(send(sender, 7, 400)).toBe(false);
    expect(receive(receiver)).toEqual(['5: 400', '6: 400']);
    receiver.release();
    sender.dropPassed();
    expect(sender.bytesInFlight).toBe(0);
  });

  it('has as many bytes in flight as it may, to the last', () => {
    const { sender } = linked();
    send(sender, 1, 400);
    const bytesInFlightMax = 2 * sender.bytesInFlight;
    for (const [max, fits] of [
      [bytesInFlightMax, true],
      [bytesInFlightMax - 1, false],
    ] as const) {
      const { sender } = linked({ bytesInFlightMax: max });
      send(sender, 1, 400);
      expect(send(sender, 2, 400)).toBe(fits);
    }
  });

  it('is full when its ring is, for long records as for short ones', () => {
    const { sender, receiver } = linked();
    let count = 0;
    while (send(sender, count, 200)) count++;
    expect(count).toBe(Math.floor(CAPACITY / 24));
    expect(receive(receiver)).toHaveLength(count);
  });

  it('leaves no claim when a buffer cannot be made or posted', () => {
    const { ring, sender, receiver } = linked();
    expect(() => sender.tryClaim(2 ** 53)).toThrow(RangeError);
    expect(send(sender, 1, 300)).toBe(true);
    const refusing = new MessageChannel().port1;
    refusing.postMessage = () => {
      throw new Error('refused');
    };
    refusing.close();
    const failing = new RecordSender(new RingProducer(ring), refusing);
    failing.tryClaim(300);
    expect(() => failing.commit(1)).toThrow('refused');
    expect(failing.bytesInFlight).toBe(0);
    expect(failing.tryClaim(8)).toBe(true);
    failing.commit(2);
    expect(receiver.read(() => true, 10)).toBe(2);
  });

  it('skips doorbells and other messages that are not buffers', () => {
    const { port1, sender, receiver } = linked();
    port1.postMessage(null);
    port1.postMessage({ any: 'thing' });
    port1.postMessage(new SharedArrayBuffer(4));
    send(sender, 1, 500);
    expect(receive(receiver)).toEqual(['1: 500']);
  });

  it('drops buffers of a channel that has no receiver, and those without a header', () => {
    const taken: number[] = [];
    const inbox = new BufferInbox(channel().port2);
    inbox.open(0, (bytes) => taken.push(bytes.length));
    const buffer = new SharedArrayBuffer(BUFFER_HEADER_LENGTH);
    inbox.accept(new SharedArrayBuffer(BUFFER_HEADER_LENGTH - 1));
    inbox.accept(buffer);
    Buffer.from(buffer).writeInt32LE(7, BUFFER_CHANNEL);
    inbox.accept(buffer);
    expect(taken).toEqual([BUFFER_HEADER_LENGTH]);
  });

  it('reads a long record again when its handler refused it or threw', () => {
    const { sender, receiver } = linked();
    send(sender, 1, 500);
    expect(receiver.read(() => false, 10)).toBe(0);
    expect(receiver.isStalled).toBe(false);
    const failing = (): void => {
      throw new Error('no');
    };
    expect(() => receiver.read(failing, 10)).toThrow('no');
    receiver.release();
    expect(receive(receiver)).toEqual(['1: 500']);
  });

  it('stops before a record whose buffer has not arrived, and goes on when it has', () => {
    const { ring, sender } = linked();
    const elsewhere = channel();
    const receiver = new RecordReceiver(new RingConsumer(ring), new BufferInbox(elsewhere.port2));
    send(sender, 1, 8);
    send(sender, 2, 500);
    expect(receiver.isStalled).toBe(false);
    expect(receive(receiver)).toEqual(['1: 8']);
    expect(receiver.isStalled).toBe(true);
    expect(receive(receiver, 0)).toEqual([]);
    expect(receiver.isStalled).toBe(false);
    expect(receive(receiver)).toEqual([]);
    expect(receiver.isStalled).toBe(true);
    receiver.release();
    sender.relink(elsewhere.port1);
    expect(receive(receiver)).toEqual(['2: 500']);
    expect(receiver.isStalled).toBe(false);
  });

  it('has something to read as soon as a buffer has arrived, also if nobody tells the reader', () => {
    const { ring, sender } = linked();
    const elsewhere = channel();
    const receiver = new RecordReceiver(new RingConsumer(ring), new BufferInbox(elsewhere.port2));
    expect(receiver.hasReadable()).toBe(false);
    send(sender, 2, 500);
    expect(receiver.hasReadable()).toBe(true);
    expect(receive(receiver)).toEqual([]);
    expect(receiver.hasReadable()).toBe(false);
    sender.relink(elsewhere.port1);
    expect(receiver.hasReadable()).toBe(true);
    expect(receive(receiver)).toEqual(['2: 500']);
    receiver.release();
    expect(receiver.hasReadable()).toBe(false);
  });

  it('takes buffers that a listener on the same port received first', async () => {
    const { port1, port2, sender, inbox, receiver } = linked();
    const arrived = new Promise<void>((resolve) => {
      port2.on('message', (message) => {
        inbox.accept(message);
        if (message === null) resolve();
      });
    });
    send(sender, 1, 500);
    send(sender, 2, 500);
    port1.postMessage(null);
    await arrived;
    expect(receive(receiver)).toEqual(['1: 500', '2: 500']);
  });

  it('holds a buffer until its record is released, and drops one that arrives later', () => {
    const { sender, inbox, receiver } = linked();
    for (const type of [1, 2, 3]) send(sender, type, 500);
    expect(receive(receiver, 2)).toEqual(['1: 500', '2: 500']);
    expect(receiver.buffersHeld).toBe(3);
    const { port1, port2 } = channel();
    sender.relink(port1);
    receiver.release();
    expect(receiver.buffersHeld).toBe(1);
    inbox.relink(port2);
    expect(receive(receiver)).toEqual(['3: 500']);
    receiver.release();
    // Now the copies arrive that `relink` has sent.
    inbox.relink(port2);
    expect(receiver.buffersHeld).toBe(0);
  });

  it('sends a new consumer the records that the dead one had not released', () => {
    const { ring, sender, receiver } = linked();
    send(sender, 1, 500);
    send(sender, 2, 500);
    send(sender, 3, 500);
    receiver.read(() => true, 1);
    receiver.release();
    receiver.read(() => true, 1);
    const { port1, port2 } = channel();
    const next = new RecordReceiver(new RingConsumer(ring), new BufferInbox(port2));
    sender.relink(port1);
    expect(receive(next)).toEqual(['2: 500', '3: 500']);
    next.release();
    sender.dropPassed();
    expect(sender.bytesInFlight).toBe(0);
  });

  it('does not mistake the buffer of a dead producer for its successor’s', () => {
    const { ring, port1, sender, inbox, receiver } = linked();
    // The buffer is posted, but the thread dies before it commits the reference.
    const post = port1.postMessage;
    port1.postMessage = (message) => {
      post.call(port1, message);
      throw new Error('dead');
    };
    sender.tryClaim(500);
    sender.bytes.fill(0xdd, sender.offset);
    expect(() => sender.commit(1)).toThrow('dead');
    const { port1: nextPort1, port2: nextPort2 } = channel();
    inbox.relink(nextPort2);
    const next = new RecordSender(new RingProducer(ring), nextPort1);
    send(next, 2, 500);
    expect(receive(receiver)).toEqual(['2: 500']);
  });

  it('keeps the buffers that the port of a dead producer still holds', () => {
    const { ring, port1, sender, inbox, receiver } = linked();
    send(sender, 1, 500);
    const { port1: nextPort1, port2: nextPort2 } = channel();
    inbox.relink(nextPort2);
    port1.close();
    send(new RecordSender(new RingProducer(ring), nextPort1), 2, 500);
    expect(receive(receiver)).toEqual(['1: 500', '2: 500']);
  });
});

describe('two record channels over one port', () => {
  function sharing() {
    const rings = [createRing(CAPACITY), createRing(CAPACITY)];
    const { port1, port2 } = channel();
    const senders = rings.map(
      (ring, channel) => new RecordSender(new RingProducer(ring), port1, { channel }),
    );
    const receiversAt = (port: MessagePort): RecordReceiver[] => {
      const inbox = new BufferInbox(port);
      return rings.map(
        (ring, channel) => new RecordReceiver(new RingConsumer(ring), inbox, channel),
      );
    };
    return { senders, receiversAt, receivers: receiversAt(port2) };
  }

  it('each get their own long records, although their positions are equal', () => {
    const { senders, receivers } = sharing();
    send(senders[0]!, 1, 500);
    send(senders[1]!, 2, 500);
    expect(receive(receivers[1]!)).toEqual(['2: 500']);
    expect(receive(receivers[0]!)).toEqual(['1: 500']);
  });

  it('notice a buffer that the other one has taken from the port', () => {
    const { senders, receiversAt } = sharing();
    send(senders[0]!, 1, 500);
    send(senders[1]!, 2, 500);
    const { port1, port2 } = channel();
    const [first, second] = receiversAt(port2) as [RecordReceiver, RecordReceiver];
    expect(receive(first)).toEqual([]);
    expect(first.isStalled).toBe(true);
    for (const sender of senders) sender.relink(port1);
    expect(receive(second)).toEqual(['2: 500']);
    expect(first.isStalled).toBe(false);
    expect(receive(first)).toEqual(['1: 500']);
  });

  it('cannot have the same channel number', () => {
    const { port1 } = channel();
    const inbox = new BufferInbox(port1);
    const receiver = () => new RecordReceiver(new RingConsumer(createRing(CAPACITY)), inbox, 7);
    receiver();
    expect(receiver).toThrow('channel 7');
  });

  it('lose and mix up no record, in whatever order they send, read, release and relink', () => {
    const step = fc.record({
      ring: fc.constantFrom(0, 1),
      what: fc.constantFrom('send', 'send', 'send', 'read', 'release', 'die'),
      length: fc.constantFrom(0, 40, 120, 121, 500),
      limit: fc.integer({ min: 1, max: 4 }),
    });
    const steps = fc.array(step, { maxLength: 200 });
    fc.assert(
      fc.property(steps, (all) => {
        const { senders, receiversAt, receivers: first } = sharing();
        let receivers = first;
        // Per ring: the records sent and not released, and how many of them were read.
        const sent: string[][] = [[], []];
        const read = [0, 0];
        for (const [number, { ring, what, length, limit }] of all.entries()) {
          const type = number & 127;
          if (what === 'send') {
            if (send(senders[ring]!, type, length)) sent[ring]!.push(`${type}: ${length}`);
          } else if (what === 'read') {
            const got = receive(receivers[ring]!, limit);
            expect(got).toEqual(sent[ring]!.slice(read[ring]!, read[ring]! + limit));
            read[ring]! += got.length;
          } else if (what === 'release') {
            receivers[ring]!.release();
            sent[ring]!.splice(0, read[ring]!);
            read[ring] = 0;
          } else {
            const { port1, port2 } = channel();
            receivers = receiversAt(port2);
            for (const sender of senders) sender.relink(port1);
            read.fill(0);
          }
        }
        for (const [ring, receiver] of receivers.entries()) {
          expect(receive(receiver, 1000)).toEqual(sent[ring]!.slice(read[ring]!));
        }
      }),
      { numRuns: 200 },
    );
  });
});
