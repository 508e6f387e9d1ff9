import { MessageChannel } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { createLinkMemory, type LinkEnd } from '../../src/link/link.js';
import {
  ACK_COUNT,
  ACK_KIND,
  ACK_SEQUENCE,
  DELIVERY_ACK,
  PUBLISH,
} from '../../src/link/link-records.js';
import { RecordReceiver, RecordSender } from '../../src/ring/record-channel.js';
import { RingConsumer, RingProducer } from '../../src/ring/ring.js';
import { LinkAdapter } from '../../src/shards/link-adapter.js';
import { record, type TestEvent } from '../store/records.js';

export interface ToldAck {
  readonly kind: number;
  readonly count: number;
  readonly sequence: number;
}

/** Both ends of a link in one thread: the endpoint's is worked by hand. */
export class TestLink {
  readonly end: LinkEnd;
  readonly publishRing: RingProducer;
  readonly #publishes: RecordSender;
  readonly #deliveries: RecordReceiver;

  constructor(ringBytes = 65_536) {
    const { port1, port2 } = new MessageChannel();
    onTestFinished(() => port1.close());
    const memory = createLinkMemory(ringBytes);
    const doorbell = new SharedArrayBuffer(64);
    this.end = { endpoint: 'test', shard: 0, memory, doorbell, port: port2 };
    this.publishRing = new RingProducer(memory.publishRing);
    this.#publishes = new RecordSender(this.publishRing, port1);
    this.#deliveries = new RecordReceiver(new RingConsumer(memory.deliveryRing), port1);
  }

  /** The shard's end, as each of its threads makes one. */
  adapter(): LinkAdapter {
    return new LinkAdapter(this.end, () => undefined);
  }

  publish(event: TestEvent): void {
    const bytes = record(event);
    if (!this.#publishes.tryClaim(bytes.length)) throw new Error('the publish ring is full');
    bytes.copy(this.#publishes.bytes, this.#publishes.offset);
    this.#publishes.commit(PUBLISH);
  }

  /** The acks that have come so far. */
  acks(): ToldAck[] {
    const acks: ToldAck[] = [];
    this.#deliveries.read((type, bytes, offset) => {
      if (type !== DELIVERY_ACK) return;
      acks.push({
        kind: bytes.readInt32LE(offset + ACK_KIND),
        count: bytes.readInt32LE(offset + ACK_COUNT),
        sequence: bytes.readDoubleLE(offset + ACK_SEQUENCE),
      });
    }, 10_000);
    this.#deliveries.release();
    return acks;
  }
}
