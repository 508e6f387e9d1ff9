/**
 * Stands in the place of a desk where another node serves the consumers (docs/adr/0086): sends on, unread, what this process's
 * endpoints write for the desk, and hands down what the desk says to them. When it loses its way, its thread ends: the next
 * one begins anew, and the endpoints join again with the leases that they hold.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ulid } from 'ulid';
import { numberOf } from '../link/calls.js';
import { DELIVERY_LEASE, LEASE_DEADLINE } from '../link/consumer-records.js';
import type { ConsumerJoinRequest } from '../link/consumer-shapes.js';
import {
  CALL_NUMBER,
  CALL_REQUEST,
  CONTROL_CALL,
  CONTROL_GENERATION,
} from '../link/link-records.js';
import { PARKED, ShardControl, WAKES_BY_MESSAGE } from '../link/shard-control.js';
import type { ShardMail, ShardThreadData } from '../link/shard-mail.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { RELAY_HELLO_MS } from '../protocol/limits/relay.js';
import { MessagePortWaitStrategy } from '../ring/wait.js';
import { ShardEnd } from '../shards/shard-end.js';
import type { ConsumerBroker } from '../store/consumer-broker.js';
import { elapsedMs } from '../threads/elapsed.js';
import {
  ALIVE,
  BEGUN,
  bodyBytesMax,
  CLOSE,
  DATA,
  decodeFrame,
  deskAddress,
  encodeFrame,
  type Frame,
  HELLO,
  OPEN,
  REFUSED,
  TAKEN,
  WELCOME,
} from './frames.js';
import { RecordInlet, RecordOutlet } from './record-stream.js';
import { RELAY_DIGEST } from './relay-digest.js';
import { Session } from './session.js';

const RECORDS_PER_TURN = 256;
const JOIN = numberOf('consumerJoin');

/** What has become of a relay's session. */
export class RelayLost extends Error {
  override readonly name = 'RelayLost';
}

export interface RelayHost {
  warn(error: ErrorData): void;
}

export class Relay {
  readonly #data: ShardThreadData;
  readonly #broker: ConsumerBroker;
  readonly #host: RelayHost;
  readonly #here = ulid();
  readonly #door: MessagePortWaitStrategy;
  readonly #links = new Map<number, RelayedLink>();
  #lastChannel = 0;
  #session: Session | undefined;
  /** The owner's `elapsedMs` less this machine's. */
  #ahead = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #refusal: string | undefined;
  #isStopping = false;

  constructor(data: ShardThreadData, broker: ConsumerBroker, host: RelayHost) {
    this.#data = data;
    this.#broker = broker;
    this.#host = host;
    const { words } = new ShardControl(data.control);
    this.#door = new MessagePortWaitStrategy(words, PARKED);
    Atomics.store(words, WAKES_BY_MESSAGE, 1);
    this.#door.listen(data.mail, (mail) => this.#onMail(mail as ShardMail));
    for (const end of data.ends) this.#adopt(end);
  }

  /**
   * Relays until it is told to stop.
   * @throws RelayLost if its session is over
   */
  async run(): Promise<void> {
    const take = (message: Uint8Array): void => this.#take(message);
    const address = deskAddress(this.#data.shard);
    const stops = [
      await this.#broker.listen(this.#here, take),
      await this.#broker.listen(address, take),
    ];
    try {
      while (!this.#isStopping) {
        this.#hold();
        if (this.#turn()) await nextTurn();
        else await this.#door.idle(this.#isIdle, RELAY_HELLO_MS);
      }
      this.#session?.end();
    } finally {
      for (const stop of stops) stop();
    }
  }

  close(): void {
    for (const { end } of this.#links.values()) end.close();
  }

  /** Keeps up the session, or asks for one. */
  #hold(): void {
    const session = this.#session;
    session?.tick();
    if (session?.over !== undefined) throw new RelayLost(session.over);
    if (session !== undefined) return;
    const now = elapsedMs();
    if (now - this.#askedAt < RELAY_HELLO_MS) return;
    this.#askedAt = now;
    const body = Buffer.from(RELAY_DIGEST);
    const address = deskAddress(this.#data.shard);
    this.#broker.send(address, encodeFrame({ kind: HELLO, from: this.#here, value: now, body }));
  }

  #turn(): boolean {
    if (this.#session === undefined) return false;
    let worked = false;
    for (const link of this.#links.values()) worked = link.turn() || worked;
    return worked;
  }

  readonly #isIdle = (): boolean => {
    if (this.#isStopping || this.#session === undefined) return !this.#isStopping;
    for (const link of this.#links.values()) if (link.hasWork) return false;
    return true;
  };

  #take(message: Uint8Array): void {
    const frame = decodeFrame(message);
    if (frame === undefined) return;
    if (frame.kind === BEGUN) this.#begun(frame);
    else if (frame.kind === WELCOME) this.#welcome(frame);
    else if (frame.kind === REFUSED) this.#refused(frame.body.toString());
    else if (this.#session?.there === frame.from) this.#onFrame(this.#session, frame);
    this.#door.wake();
  }

  #begun({ from }: Frame): void {
    this.#askedAt = Number.NEGATIVE_INFINITY;
    if (this.#session !== undefined && this.#session.there !== from) {
      this.#session.over ??= 'the desk has begun anew';
    }
  }

  #welcome({ from, value, body }: Frame): void {
    if (this.#session !== undefined || body.length !== 8) return;
    // Since the question, not since the answer: a lease may seem to end a little too early here, and never too late.
    this.#ahead = value - body.readDoubleLE();
    const send = (address: string, message: Uint8Array): void =>
      this.#broker.send(address, message);
    this.#session = new Session({ here: this.#here, there: from, send, now: elapsedMs });
    // So that the owner knows the session as begun.
    this.#session.send(ALIVE);
  }

  #refused(why: string): void {
    if (this.#refusal === why) return;
    this.#refusal = why;
    const { shard } = this.#data;
    const message = `the node that serves the consumers of shard ${shard} does not take this one: ${why}`;
    this.#host.warn(new BusError('STORE_FAILED', message, { details: { shard } }).toJSON());
  }

  #onFrame(session: Session, frame: Frame): void {
    if (!session.take(frame)) return;
    const link = this.#links.get(frame.channel);
    if (frame.kind === DATA) link?.inlet.push(frame.body);
    else if (frame.kind === TAKEN) link?.outlet.taken(frame.value);
  }

  #onMail(mail: ShardMail): void {
    if (mail.mail === 'attach') this.#adopt(mail.end);
    else if (mail.mail === 'detach') this.#part(mail.endpoint);
    else if (mail.mail === 'stop') this.#isStopping = true;
    else throw new Error(`the relay of shard ${this.#data.shard} was made to end`);
  }

  #adopt(linkEnd: ShardThreadData['ends'][number]): void {
    const channel = ++this.#lastChannel;
    const end = new ShardEnd(linkEnd, () => {});
    this.#door.listen(linkEnd.port, (message) => end.accept(message));
    this.#links.set(channel, new RelayedLink(end, channel, this.#data.generation, this.#parts));
  }

  #part(endpoint: string): void {
    for (const [channel, link] of this.#links) {
      if (link.end.endpoint !== endpoint) continue;
      this.#links.delete(channel);
      if (link.isOpen) this.#session?.send(CLOSE, { channel });
      link.end.abandon();
      link.end.close();
    }
  }

  readonly #parts: RelayParts = {
    send: (kind, frame) => this.#session?.send(kind, frame),
    ahead: () => this.#ahead,
    pieceBytes: () => bodyBytesMax(this.#broker),
  };
}

interface RelayParts {
  send(kind: number, frame: Partial<Pick<Frame, 'channel' | 'value' | 'body'>>): void;
  /** See `Relay.#ahead`. */
  ahead(): number;
  pieceBytes(): number;
}

/** An endpoint of this process: the desk's side of its link. */
class RelayedLink {
  readonly end: ShardEnd;
  readonly inlet = new RecordInlet();
  readonly outlet: RecordOutlet;
  /** The owner was told of the endpoint, with the first that it had to say. */
  isOpen = false;
  readonly #channel: number;
  readonly #generation: number;
  readonly #parts: RelayParts;

  constructor(end: ShardEnd, channel: number, generation: number, parts: RelayParts) {
    this.end = end;
    this.#channel = channel;
    this.#generation = generation;
    this.#parts = parts;
    const send = (body: Buffer): void => parts.send(DATA, { channel, body });
    this.outlet = new RecordOutlet(send, parts.pieceBytes());
  }

  get hasWork(): boolean {
    if (this.outlet.hasRoom && this.end.controls.hasReadable()) return true;
    return this.inlet.next !== undefined && this.end.mayHaveRoom;
  }

  turn(): boolean {
    const { end, outlet } = this;
    const read = end.controls.read(this.#onControl, RECORDS_PER_TURN);
    if (read > 0 && end.controls.release()) end.wakeEndpoint();
    outlet.flush();
    const written = this.#handDown();
    end.ringDoorbell();
    return read > 0 || written > 0;
  }

  readonly #onControl = (
    type: number,
    bytes: Buffer,
    offset: number,
    length: number,
  ): boolean | undefined => {
    if (!this.outlet.hasRoom) return false;
    // The endpoint wrote it for an earlier thread, and repeats it for this one.
    if (bytes.readInt32LE(offset + CONTROL_GENERATION) !== this.#generation) return;
    if (!this.isOpen) {
      this.isOpen = true;
      this.#parts.send(OPEN, { channel: this.#channel, body: Buffer.from(this.end.endpoint) });
    }
    const isJoin = type === CONTROL_CALL && bytes.readInt32LE(offset + CALL_NUMBER) === JOIN;
    if (isJoin) this.#join(bytes.subarray(offset, offset + length));
    else this.outlet.add(type, bytes, offset, length);
  };

  /** The deadlines of leases by the owner's clock. */
  #join(record: Buffer): void {
    const request = JSON.parse(record.toString('utf8', CALL_REQUEST)) as ConsumerJoinRequest;
    const ahead = this.#parts.ahead();
    const leases = request.leases.map(([sequence, lease, deadline]) => [
      sequence,
      lease,
      deadline + ahead,
    ]);
    const json = Buffer.from(JSON.stringify({ ...request, leases }));
    const changed = Buffer.concat([record.subarray(0, CALL_REQUEST), json]);
    this.outlet.add(CONTROL_CALL, changed, 0, changed.length);
  }

  /** Into the delivery ring, as a desk of this process would have written it. */
  #handDown(): number {
    const { end, inlet } = this;
    let written = 0;
    for (let next = inlet.next; next !== undefined; next = inlet.next) {
      const { type, bytes: record } = next;
      const isSent = end.trySend(type, record.length, (bytes, offset) => {
        record.copy(bytes, offset);
        if (type !== DELIVERY_LEASE) return;
        const deadline = record.readDoubleLE(LEASE_DEADLINE) - this.#parts.ahead();
        bytes.writeDoubleLE(deadline, offset + LEASE_DEADLINE);
      });
      if (!isSent) break;
      inlet.shift();
      written++;
    }
    const value = inlet.takenToTell();
    if (value !== undefined) this.#parts.send(TAKEN, { channel: this.#channel, value });
    return written;
  }
}
