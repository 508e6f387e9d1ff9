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
 * Sends the frames to one client, in order; the frames of one turn of the event loop leave in one write. The connection
 * stops reading from a congested client, so that it cannot ask for more.
 */
const AS_TEXT = { binary: false };

/** The text that all frames begin with; see `frames.ts`. */
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

  /** Set once the client has authenticated. */
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
   * Sends one frame, in order after the frames before it. Does nothing where the socket is no longer open.
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
   * Sends a frame that other clients get too. `ws` would build its header again for each of them, so an uncompressed
   * frame is written to the stream directly. The order holds: without compression `ws` writes each frame to the stream
   * at once.
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

  /** Answers a client's ping. `ws` would do so too, but without counting the pong towards congestion. */
  pong(data: Buffer): void {
    if (!this.isOpen) return;
    this.#cork();
    this.#socket.pong(data, false, this.#onWritten);
    this.#congestion.check();
  }

  /** Counts bytes that a producer keeps until the end of the turn; negative once the producer has sent them. */
  keep(bytes: number): void {
    this.#congestion.keep(bytes);
  }

  /** Calls `flush` at the end of this turn. */
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

  /** Resolves when the client is not congested any more, or is gone; at once where it is not congested now. */
  relieved(): Promise<void> {
    return this.#congestion.relieved();
  }

  /** Drops pending flushes and resolves `relieved()`: the connection has ended. */
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
