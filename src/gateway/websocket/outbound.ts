import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import {
  Congestion,
  type CongestionLimits,
  type CongestionOwner,
  type OutboundAccount,
  type Transport,
} from '../congestion.js';
import type { TurnQueue, TurnTask } from '../turn-queue.js';
import type { SharedFrame } from './shared-frames.js';

/**
 * The frames that leave for one client. They keep their order; those of one turn of the event loop leave in one write.
 * A client that is congested is not read from, so it cannot ask for more.
 */
const AS_TEXT = { binary: false };

/** All frames begin with this; see `frames.ts`. */
const FRAME_HEAD = '{"type":"';

export interface OutboundOwner extends CongestionOwner {
  /** Called with each frame, where frames are logged. */
  readonly onFrameSent?: ((type: string, bytes: number) => void) | undefined;
}

export interface Flushable {
  flush(): void;
}

export class Outbound implements TurnTask, Transport {
  isQueued = false;
  readonly #socket: WebSocket;
  readonly #stream: Duplex;
  readonly #turns: TurnQueue;
  readonly #owner: OutboundOwner;
  readonly #congestion: Congestion;
  readonly #isCompressed: boolean;
  #flushables: Flushable[] = [];
  #isCorked = false;
  #isFlushing = false;

  constructor(
    socket: WebSocket,
    stream: Duplex,
    turns: TurnQueue,
    limits: CongestionLimits,
    owner: OutboundOwner,
  ) {
    this.#socket = socket;
    this.#stream = stream;
    this.#turns = turns;
    this.#owner = owner;
    this.#congestion = new Congestion(this, limits, owner);
    this.#isCompressed = socket.extensions !== '';
  }

  /** Known once it is known who the client is. */
  set account(account: OutboundAccount) {
    this.#congestion.account = account;
  }

  get isCongested(): boolean {
    return this.#congestion.isCongested;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /**
   * Sends one frame, in order with those before it. A frame for a socket that is no longer open
   * goes nowhere.
   */
  send(text: string): void {
    if (!this.isOpen) return;
    if (this.#owner.onFrameSent !== undefined) {
      this.#owner.onFrameSent(typeOf(text), Buffer.byteLength(text));
    }
    this.#cork();
    this.#socket.send(text, this.#onWritten);
    this.#congestion.check();
  }

  /**
   * Sends a frame that others get too. The library would copy its header for each of them; where
   * nothing is compressed, what it has written before has gone to the stream already, so the frame
   * may follow it there.
   */
  sendShared({ bytes, payloadOffset }: SharedFrame): void {
    if (!this.isOpen) return;
    this.#owner.onFrameSent?.('events', bytes.length - payloadOffset);
    this.#cork();
    if (this.#isCompressed) {
      this.#socket.send(bytes.subarray(payloadOffset), AS_TEXT, this.#onWritten);
    } else this.#stream.write(bytes, this.#onWritten);
    this.#congestion.check();
  }

  /** Answers a client's ping; the library would do so without looking at what waits already. */
  pong(data: Buffer): void {
    if (!this.isOpen) return;
    this.#cork();
    this.#socket.pong(data, false, this.#onWritten);
    this.#congestion.check();
  }

  /** Counts bytes that a producer keeps, to frame them at the end of the turn; negative when it has. */
  keep(bytes: number): void {
    this.#congestion.keep(bytes);
  }

  /** Has `flush` called at the end of this turn. */
  flushAtEndOfTurn(flushable: Flushable): void {
    this.#flushables.push(flushable);
    this.#turns.add(this);
  }

  runAtEndOfTurn(): void {
    this.#isFlushing = true;
    const flushables = this.#flushables;
    this.#flushables = [];
    for (const flushable of flushables) flushable.flush();
    this.#isFlushing = false;
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#stream.uncork();
  }

  /** Resolves when there is room again, or the connection is over; at once if there is room now. */
  relieved(): Promise<void> {
    return this.#congestion.relieved();
  }

  /** The connection is over: nobody waits any longer. */
  dispose(): void {
    this.#flushables = [];
    this.#congestion.end();
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
    if (!this.#isFlushing) this.#turns.add(this);
  }

  readonly #onWritten = (): void => this.#congestion.noteSent();
}

function typeOf(frame: string): string {
  return frame.slice(FRAME_HEAD.length, frame.indexOf('"', FRAME_HEAD.length));
}
