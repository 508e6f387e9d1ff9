import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { PRESSED_OUTBOUND_BYTES_MAX } from '../../protocol/limits.js';
import { type DrainLimits, DrainWatch } from '../drain-watch.js';
import type { TurnQueue, TurnTask } from '../turn-queue.js';
import type { SharedFrame } from './shared-frames.js';

/**
 * What leaves for one client. Frames keep their order; those of one turn of the event loop leave in
 * one write.
 *
 * More than `bytesMax` waiting, in events not yet framed and in the socket, is congestion: whoever
 * produces for this client then waits for `relieved()`, and the client is not read from, so it
 * cannot ask for more. Where the principal holds all that it may, less is congestion already. A
 * congested client that takes too little over `stallMs` is reported as stalled.
 */
const AS_TEXT = { binary: false };

/** All frames begin with this; see `frames.ts`. */
const FRAME_HEAD = '{"type":"';

export interface OutboundOwner {
  /** Told of each frame, where frames are logged. */
  readonly onFrameSent?: ((type: string, bytes: number) => void) | undefined;
  onCongestionChange(): void;
  onStalled(): void;
}

export interface Flushable {
  flush(): void;
}

export interface OutboundLimits extends DrainLimits {
  readonly maxOutboundBytes: number;
}

/** On whom it counts what waits. */
export interface OutboundAccount {
  readonly isPressed: boolean;
  readonly bytes: { hold(bytes: number): void };
}

export class Outbound implements TurnTask {
  isQueued = false;
  /** Known once it is known who the client is. */
  account: OutboundAccount | undefined;
  readonly #socket: WebSocket;
  readonly #stream: Duplex;
  readonly #turns: TurnQueue;
  readonly #owner: OutboundOwner;
  readonly #bytesMax: number;
  readonly #drain: DrainWatch;
  readonly #isCompressed: boolean;
  #flushables: Flushable[] = [];
  #unframedBytes = 0;
  /** What waited in the socket when it was looked at last: since then it can only have become less. */
  #socketBytes = 0;
  /** What the account was told. */
  #heldBytes = 0;
  #isCorked = false;
  #isFlushing = false;
  #isCongested = false;
  #relief: Promise<void> | undefined;
  #relieve: () => void = () => {};

  constructor(
    socket: WebSocket,
    stream: Duplex,
    turns: TurnQueue,
    limits: OutboundLimits,
    owner: OutboundOwner,
  ) {
    this.#socket = socket;
    this.#stream = stream;
    this.#turns = turns;
    this.#bytesMax = limits.maxOutboundBytes;
    this.#drain = new DrainWatch(limits, () => owner.onStalled());
    this.#owner = owner;
    this.#isCompressed = socket.extensions !== '';
  }

  get isCongested(): boolean {
    return this.#isCongested;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
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
    this.#look();
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
    this.#look();
  }

  /** Answers a client's ping; the library would do so without looking at what waits already. */
  pong(data: Buffer): void {
    if (!this.isOpen) return;
    this.#cork();
    this.#socket.pong(data, false, this.#onWritten);
    this.#look();
  }

  /**
   * Counts bytes that a producer keeps to frame them at the end of the turn; negative when it has
   * framed them.
   */
  addUnframed(bytes: number): void {
    this.#unframedBytes += bytes;
    if (this.#unframedBytes + this.#socketBytes > this.#bytesMax) this.#look();
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
    if (!this.#isCongested) return Promise.resolve();
    this.#relief ??= new Promise((resolve) => {
      this.#relieve = resolve;
    });
    return this.#relief;
  }

  /** The connection is over: nobody waits any longer. */
  dispose(): void {
    this.#flushables = [];
    this.#endCongestion();
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
    if (!this.#isFlushing) this.#turns.add(this);
  }

  #look(): void {
    if (!this.isOpen || this.#waitingBytes() <= this.#limit || this.#isCongested) return;
    this.#isCongested = true;
    this.#drain.begin();
    this.#owner.onCongestionChange();
  }

  readonly #onWritten = (): void => {
    // The writes that a cut socket drops end here too: that is no room for more.
    if (!this.isOpen) return;
    const before = this.#socketBytes;
    const waiting = this.#waitingBytes();
    if (!this.#isCongested) return;
    this.#drain.took(Math.max(0, before - this.#socketBytes));
    if (waiting > this.#limit / 2) return;
    this.#endCongestion();
    this.#owner.onCongestionChange();
  };

  get #limit(): number {
    if (this.account?.isPressed !== true) return this.#bytesMax;
    return Math.min(this.#bytesMax, PRESSED_OUTBOUND_BYTES_MAX);
  }

  #waitingBytes(): number {
    this.#socketBytes = this.#socket.bufferedAmount;
    const waiting = this.#socketBytes + this.#unframedBytes;
    this.account?.bytes.hold(waiting - this.#heldBytes);
    if (this.account !== undefined) this.#heldBytes = waiting;
    return waiting;
  }

  #endCongestion(): void {
    this.#isCongested = false;
    this.#drain.end();
    this.#relief = undefined;
    this.#relieve();
    this.#relieve = () => {};
  }
}

function typeOf(frame: string): string {
  return frame.slice(FRAME_HEAD.length, frame.indexOf('"', FRAME_HEAD.length));
}
