import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { Queue } from '../../collections/queue.js';
import {
  AUTHENTICATE_FRAME_BYTES_MAX,
  MESSAGE_MS_MAX,
  MESSAGE_PART_BYTES_FREE,
} from '../../protocol/limits/websocket.js';
import type { Budget } from '../budget/budget.js';
import type { PartOwner } from '../budget/message-parts.js';

/**
 * What is read from one WebSocket: charges the time that it takes to the client's principal, and counts the bytes of the
 * message that is not complete yet, which `ws` keeps. One thread.
 */
export interface IncomingOwner {
  onMessage(data: Buffer, isBinary: boolean): void;
  /** `isHeldUp` may have changed. */
  onHeldUpChange(): void;
  /** A client that nobody knows yet has sent more than a first frame can have. */
  onOverlongStart(bytes: number): void;
}

/** The head of a client's frame, at most. */
const HEAD_BYTES_MAX = 14;
/** The bytes that a control frame of a client has besides its data. */
const CONTROL_HEAD_BYTES = 6;

export class Incoming implements PartOwner {
  readonly #owner: IncomingOwner;
  #budget: Budget | undefined;
  #stopSharing: () => void = () => {};
  /** When the thread has begun with the bytes that it reads now. */
  #readingSince: number | undefined;
  /** Frames that the principal has not been charged for yet. */
  #framesRead = 0;
  /** Bytes since the end of the last message. Those behind it in the same piece of the stream are not counted. */
  #partBytes = 0;
  /** When the first of them has come. */
  #partSince = 0;
  #hasTurn = false;
  /** The stream has broken, so nobody can have an answer. */
  #isGone = false;
  /** Messages that came in one piece of the stream with one that has cost much, and wait until the principal is free. */
  readonly #held = new Queue<{ readonly data: Buffer; readonly isBinary: boolean }>();
  #isWaiting = false;

  constructor(socket: WebSocket, stream: Duplex, owner: IncomingOwner) {
    this.#owner = owner;
    socket.on('message', (data, isBinary) => this.#message(data, isBinary));
    socket.on('ping', (data) => {
      this.#framesRead++;
      this.#control(data);
    });
    socket.on('pong', (data) => this.#control(data));
    // Around the listener of `ws`, which unmasks, joins and checks what it reads, and hands on the messages in it.
    stream.prependListener('data', (chunk: Buffer) => {
      this.#readingSince = performance.now();
      if (this.#partBytes === 0) this.#partSince = this.#readingSince;
      this.#partBytes += chunk.length;
    });
    stream.prependListener('close', (hadError: boolean) => {
      // `ws` then hands on all that it has, in one go, however long the principal is held up. Nobody can have the answers.
      this.#isGone = hadError;
      this.#serveHeld(true);
    });
    stream.on('data', () => {
      const since = this.#readingSince;
      this.#readingSince = undefined;
      if (since !== undefined) this.#spend(since);
      this.#judgePart();
    });
  }

  /** Whether nothing more is to be read from the socket for the moment. */
  get isHeldUp(): boolean {
    return this.#isWaiting || this.#held.length > 0 || this.#budget?.work.isHeldUp === true;
  }

  /** Whether the client has begun a message too long ago, and has been read all the while. */
  get isOverdue(): boolean {
    return this.#hasTurn && performance.now() - this.#partSince > MESSAGE_MS_MAX;
  }

  /** Whose the socket is from now on. */
  charge(budget: Budget): void {
    this.dispose();
    this.#budget = budget;
    this.#stopSharing = budget.work.onChange(() => {
      this.#serveHeld(false);
      this.#owner.onHeldUpChange();
    });
  }

  onTurn(): void {
    this.#isWaiting = false;
    this.#hasTurn = true;
    // The time that it had to wait is not the client's.
    this.#partSince = performance.now();
    this.#owner.onHeldUpChange();
  }

  dispose(): void {
    this.#stopSharing();
    this.#endPart();
  }

  #message(data: RawData, isBinary: boolean): void {
    this.#partBytes = 0;
    if (this.#isGone) return;
    if (this.#held.length > 0 || this.#budget?.work.isHeldUp === true) {
      // The default `binaryType` makes every message one Buffer.
      this.#held.push({ data: data as Buffer, isBinary });
      return;
    }
    // A compressed message is inflated elsewhere, and comes by itself.
    const began = this.#readingSince ?? performance.now();
    this.#owner.onMessage(data as Buffer, isBinary);
    this.#framesRead++;
    if (this.#readingSince === undefined) this.#spend(began);
  }

  /** Serves what is held as far as the principal may go on, or all of it. */
  #serveHeld(isAll: boolean): void {
    while (this.#held.length > 0 && (isAll || this.#budget?.work.isHeldUp !== true)) {
      const { data, isBinary } = this.#held.shift()!;
      if (this.#isGone) continue;
      const began = performance.now();
      this.#owner.onMessage(data, isBinary);
      this.#framesRead++;
      this.#spend(began);
    }
  }

  /** A control frame may come amid the parts of a message, and is none of them. */
  #control(data: Buffer): void {
    this.#partBytes = Math.max(0, this.#partBytes - data.length - CONTROL_HEAD_BYTES);
  }

  #spend(since: number): void {
    this.#budget?.work.spend(since, this.#framesRead);
    this.#framesRead = 0;
  }

  #judgePart(): void {
    const budget = this.#budget;
    if (budget === undefined) {
      if (this.#partBytes > AUTHENTICATE_FRAME_BYTES_MAX + HEAD_BYTES_MAX) {
        this.#owner.onOverlongStart(this.#partBytes);
      }
      return;
    }
    if (this.#partBytes <= MESSAGE_PART_BYTES_FREE) {
      this.#endPart();
      return;
    }
    if (this.#hasTurn || this.#isWaiting) return;
    if (budget.parts.take(this)) {
      this.#hasTurn = true;
      return;
    }
    this.#isWaiting = true;
    this.#owner.onHeldUpChange();
  }

  #endPart(): void {
    if (!this.#hasTurn && !this.#isWaiting) return;
    const wasWaiting = this.#isWaiting;
    this.#hasTurn = false;
    this.#isWaiting = false;
    this.#budget?.parts.leave(this);
    if (wasWaiting) this.#owner.onHeldUpChange();
  }
}
