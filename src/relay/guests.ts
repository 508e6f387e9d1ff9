/**
 * Where the endpoints of other nodes come to a desk (docs/adr/0086). For each of them there is a link in memory, as an endpoint
 * of this process has one, and this is the endpoint's side of it: what the relay sends is written into the control ring, and
 * what the desk writes into the delivery ring is sent to the relay. It lives on the event loop of the thread that talks to the
 * broker for the desk.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { ulid } from 'ulid';
import { CONTROL_CHANNEL, createLinkMemory, DELIVERY_CHANNEL } from '../link/link.js';
import { CONTROL_GENERATION } from '../link/link-records.js';
import { GENERATION, MAIL, ShardControl, wakeShard } from '../link/shard-control.js';
import type { ShardMail } from '../link/shard-mail.js';
import { DESK_RING_BYTES } from '../protocol/limits/links.js';
import { RELAY_ALIVE_MS, RELAY_GRACE_MS } from '../protocol/limits/relay.js';
import { BufferInbox } from '../ring/buffer-inbox.js';
import { RecordReceiver, RecordSender } from '../ring/record-channel.js';
import { RingConsumer, RingProducer } from '../ring/ring.js';
import { Doorbell } from '../ring/wait.js';
import type { ConsumerBroker } from '../store/consumer-broker.js';
import { elapsedMs } from '../threads/elapsed.js';
import {
  ALIVE,
  BEGUN,
  BYE,
  bodyBytesMax,
  CLOSE,
  DATA,
  decodeFrame,
  deskAddress,
  encodeFrame,
  type Frame,
  HELLO,
  LOST,
  OPEN,
  REFUSED,
  TAKEN,
  WELCOME,
} from './frames.js';
import { RecordInlet, RecordOutlet } from './record-stream.js';
import { RELAY_DIGEST } from './relay-digest.js';
import { Session } from './session.js';

const RECORDS_PER_TURN = 256;

export interface GuestDesk {
  readonly shard: number;
  /** The control memory of the desk's thread. */
  readonly control: SharedArrayBuffer;
  readonly broker: ConsumerBroker;
  /** Takes the desk's thread the mail of guests. */
  readonly mail: MessagePort;
}

export class Guests {
  /** The address of this life of the desk. */
  readonly #here = ulid();
  readonly #desk: GuestDesk;
  readonly #control: ShardControl;
  readonly #generation: number;
  /** By the address of the relay. */
  readonly #sessions = new Map<string, GuestSession>();

  private constructor(desk: GuestDesk) {
    this.#desk = desk;
    this.#control = new ShardControl(desk.control);
    this.#generation = Atomics.load(this.#control.words, GENERATION);
  }

  /** Takes in the relays that ask from now on. */
  static async receive(desk: GuestDesk): Promise<void> {
    const guests = new Guests(desk);
    const take = (message: Uint8Array): void => guests.#take(message);
    await desk.broker.listen(guests.#here, take);
    await desk.broker.listen(deskAddress(desk.shard), take);
    guests.#send(deskAddress(desk.shard), BEGUN);
    setInterval(() => guests.#tick(), RELAY_ALIVE_MS / 2).unref();
  }

  #take(message: Uint8Array): void {
    const frame = decodeFrame(message);
    if (frame === undefined) return;
    if (frame.kind === HELLO) {
      this.#greet(frame);
      return;
    }
    if (frame.kind === BEGUN) return;
    const session = this.#sessions.get(frame.from);
    if (session !== undefined) session.take(frame);
    else if (frame.kind !== LOST) this.#send(frame.from, LOST);
  }

  #greet({ from, body, value }: Frame): void {
    if (body.toString() !== RELAY_DIGEST) {
      const why = 'it runs another version of Millrace: all nodes have to run the same';
      this.#send(from, REFUSED, Buffer.from(why));
      return;
    }
    const known = this.#sessions.get(from);
    if (known === undefined) this.#sessions.set(from, new GuestSession(this.#host(from)));
    else if (!known.isNew) return;
    const asked = Buffer.alloc(8);
    asked.writeDoubleLE(value);
    this.#send(from, WELCOME, asked);
  }

  #send(address: string, kind: number, body?: Buffer): void {
    const { broker } = this.#desk;
    const frame = { kind, from: this.#here, value: elapsedMs() };
    broker.send(address, encodeFrame(body === undefined ? frame : { ...frame, body }));
  }

  #host(there: string): GuestHost {
    const { broker } = this.#desk;
    const send = (address: string, message: Uint8Array): void => broker.send(address, message);
    return {
      session: new Session({ here: this.#here, there, send, now: elapsedMs }),
      generation: this.#generation,
      shard: this.#desk.shard,
      control: this.#control,
      pieceBytes: bodyBytesMax(broker),
      post: (mail, port) => this.#post(mail, port),
      isElsewhere: (endpoint) => this.#isElsewhere(there, endpoint),
    };
  }

  #isElsewhere(there: string, endpoint: string): boolean {
    for (const [address, session] of this.#sessions) {
      if (address !== there && session.has(endpoint)) return true;
    }
    return false;
  }

  #post(mail: ShardMail, port?: MessagePort): void {
    const { words } = this.#control;
    this.#desk.mail.postMessage(mail, port === undefined ? [] : [port]);
    Atomics.add(words, MAIL, 1);
    wakeShard(words, this.#desk.mail);
  }

  #tick(): void {
    for (const [address, session] of this.#sessions) {
      session.tick();
      if (session.isGone) this.#sessions.delete(address);
    }
  }
}

interface GuestHost {
  readonly session: Session;
  readonly generation: number;
  readonly shard: number;
  readonly control: ShardControl;
  readonly pieceBytes: number;
  post(mail: ShardMail, port?: MessagePort): void;
  /** The endpoint came by another relay, which is silent. */
  isElsewhere(endpoint: string): boolean;
}

/** The endpoints that come by one relay. */
class GuestSession {
  readonly #host: GuestHost;
  readonly #guests = new Map<number, Guest>();
  /** When the relay was lost, without a word that its endpoints have left. */
  #lostAt: number | undefined;
  isGone = false;

  constructor(host: GuestHost) {
    this.#host = host;
  }

  get isNew(): boolean {
    return this.#host.session.isNew;
  }

  has(endpoint: string): boolean {
    return [...this.#guests.values()].some((guest) => guest.endpoint === endpoint);
  }

  take(frame: Frame): void {
    if (!this.#host.session.take(frame)) {
      this.#ended(frame.kind !== BYE);
      return;
    }
    const guest = this.#guests.get(frame.channel);
    switch (frame.kind) {
      case OPEN:
        this.#open(frame.channel, frame.body.toString());
        break;
      case CLOSE:
        this.#guests.delete(frame.channel);
        guest?.leave();
        break;
      case DATA:
        guest?.receive(frame.body);
        break;
      case TAKEN:
        guest?.taken(frame.value);
        break;
      case ALIVE:
        break;
    }
  }

  tick(): void {
    const { session } = this.#host;
    session.tick();
    for (const guest of this.#guests.values()) guest.turn();
    if (session.over !== undefined) this.#ended(true);
    if (this.#lostAt === undefined || elapsedMs() - this.#lostAt < RELAY_GRACE_MS) return;
    this.#leave();
  }

  /** The session is over. Without a goodbye the endpoints may come again. */
  #ended(isLost: boolean): void {
    if (isLost) this.#lostAt ??= elapsedMs();
    else if (this.#lostAt === undefined) this.#leave();
  }

  #leave(): void {
    for (const guest of this.#guests.values()) guest.leave();
    this.#guests.clear();
    this.isGone = true;
  }

  #open(channel: number, endpoint: string): void {
    const { session, post, isElsewhere } = this.#host;
    if (isElsewhere(endpoint)) {
      // What is on its way to it is lost. All endpoints say anew which leases they hold.
      post({ mail: 'rejoin' });
      return;
    }
    const send = (kind: number, frame: { value?: number; body?: Buffer }): void =>
      session.send(kind, { ...frame, channel });
    this.#guests.set(channel, new Guest(endpoint, this.#host, send));
  }
}

/** An endpoint of another node: its side of the link to the desk. */
class Guest {
  readonly endpoint: string;
  readonly #host: GuestHost;
  readonly #port: MessagePort;
  readonly #doorbell: Doorbell;
  readonly #controlRing: RingProducer;
  readonly #controls: RecordSender;
  readonly #deliveryRing: RingConsumer;
  readonly #deliveries: RecordReceiver;
  readonly #inlet = new RecordInlet();
  readonly #outlet: RecordOutlet;
  readonly #send: (kind: number, frame: { value?: number; body?: Buffer }) => void;
  #isScheduled = false;
  #hasLeft = false;

  constructor(
    endpoint: string,
    host: GuestHost,
    send: (kind: number, frame: { value?: number; body?: Buffer }) => void,
  ) {
    this.endpoint = endpoint;
    this.#host = host;
    this.#send = send;
    const memory = createLinkMemory(DESK_RING_BYTES);
    const doorbell = new SharedArrayBuffer(4);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#doorbell = new Doorbell(new Int32Array(doorbell), 0);
    this.#controlRing = new RingProducer(memory.controlRing);
    this.#controls = new RecordSender(this.#controlRing, port1, { channel: CONTROL_CHANNEL });
    const inbox = new BufferInbox(port1);
    this.#deliveryRing = new RingConsumer(memory.deliveryRing);
    this.#deliveries = new RecordReceiver(this.#deliveryRing, inbox, DELIVERY_CHANNEL);
    this.#outlet = new RecordOutlet((body) => send(DATA, { body }), host.pieceBytes);
    port1.on('message', (message: unknown) => {
      inbox.accept(message);
      this.turn();
    });
    const { shard, post } = host;
    post({ mail: 'attach', end: { endpoint, shard, memory, doorbell, port: port2 } }, port2);
    this.#doorbell.park();
  }

  receive(piece: Buffer): void {
    this.#inlet.push(piece);
    this.turn();
  }

  taken(bytes: number): void {
    this.#outlet.taken(bytes);
    this.turn();
  }

  leave(): void {
    this.#hasLeft = true;
    this.#host.post({ mail: 'detach', endpoint: this.endpoint });
    this.#port.close();
  }

  /** Carries both ways what there is and fits. */
  turn(): void {
    if (this.#hasLeft) return;
    this.#doorbell.unpark();
    this.#write();
    const read = this.#read();
    if (read === RECORDS_PER_TURN) this.#again();
    this.#doorbell.park();
    const mayRead = !this.#deliveryRing.isEmpty() && this.#outlet.hasRoom;
    const mayWrite = this.#inlet.next !== undefined && !this.#controlRing.isWaiting;
    if (mayRead || mayWrite) this.#again();
  }

  #again(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.turn();
    });
  }

  /** Into the control ring, as the endpoint would have written it for this thread of the desk. */
  #write(): void {
    let written = 0;
    for (let next = this.#inlet.next; next !== undefined; next = this.#inlet.next) {
      if (!this.#tryClaim(next.bytes.length)) break;
      const { bytes, offset } = this.#controls;
      next.bytes.copy(bytes, offset);
      bytes.writeInt32LE(this.#host.generation, offset + CONTROL_GENERATION);
      this.#controls.commit(next.type);
      this.#inlet.shift();
      written++;
    }
    if (written > 0) wakeShard(this.#host.control.words, this.#port);
    const value = this.#inlet.takenToTell();
    if (value !== undefined) this.#send(TAKEN, { value });
  }

  #tryClaim(length: number): boolean {
    if (this.#controls.tryClaim(length)) return true;
    this.#controlRing.setWaiting();
    return this.#controls.tryClaim(length);
  }

  #read(): number {
    const outlet = this.#outlet;
    const read = this.#deliveries.read((type, bytes, offset, length) => {
      if (!outlet.hasRoom) return false;
      outlet.add(type, bytes, offset, length);
    }, RECORDS_PER_TURN);
    if (this.#deliveries.release()) wakeShard(this.#host.control.words, this.#port);
    outlet.flush();
    return read;
  }
}
