import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { Queue } from '../../collections/queue.js';
import { WORK_INFLATED_MIB_MS, WORK_PIECE_BYTES_MAX } from '../../protocol/limits/budgets.js';
import { MIB } from '../../protocol/limits/units.js';
import {
  AUTHENTICATE_FRAME_BYTES_MAX,
  MESSAGE_MS_MAX,
  MESSAGE_PART_BYTES_FREE,
  MESSAGES_HELD_BYTES_MAX,
  MESSAGES_HELD_PRESSED_BYTES_MAX,
} from '../../protocol/limits/websocket.js';
import type { Budget } from '../budget/budget.js';
import type { PartOwner } from '../budget/message-parts.js';
import { type PieceOwner, StreamPieces } from './stream-pieces.js';

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
  /** Messages that wait for their turn have grown to so many bytes, which only compressed ones do. */
  onTooMuchHeld(bytes: number): void;
}

/** The head of a client's frame, at most. */
const HEAD_BYTES_MAX = 14;
/** The bytes that a control frame of a client has besides its data. */
const CONTROL_HEAD_BYTES = 6;

interface HeldMessage {
  readonly data: Buffer;
  readonly isBinary: boolean;
  /** Whose bytes they are while they wait. */
  readonly budget: Budget | undefined;
}

export class Incoming implements PartOwner, PieceOwner {
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
  /** The stream has broken or is cut, so nobody can have an answer. */
  #isGone = false;
  /** Messages that came in one piece of the stream with one that has cost much, and wait until the principal is free. */
  readonly #held = new Queue<HeldMessage>();
  #heldBytes = 0;
  #isWaiting = false;
  readonly #pieces: StreamPieces;
  /** Does what may be done now of what has come, in the principal's turn. */
  readonly #goOn = (): void => {
    this.#serveHeld(false);
    this.#pieces.read();
    this.onWait();
  };

  constructor(socket: WebSocket, stream: Duplex, owner: IncomingOwner) {
    this.#owner = owner;
    this.#pieces = new StreamPieces(stream, this);
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
      this.#isGone ||= hadError;
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
    return this.#isWaiting || this.#hasMore || this.#budget?.work.isHeldUp === true;
  }

  get #hasMore(): boolean {
    return this.#held.length > 0 || this.#pieces.hasMore;
  }

  get pieceBytesMax(): number {
    const isShared = this.#budget?.work.hasBusyOthers === true;
    return isShared ? WORK_PIECE_BYTES_MAX : Number.POSITIVE_INFINITY;
  }

  get mustWait(): boolean {
    return this.#isWaiting || this.#held.length > 0 || this.#budget?.work.isBetween === true;
  }

  /** What has come, and waits, goes on in its turn. */
  onWait(): void {
    if (this.#hasMore && !this.#isWaiting) this.#budget?.work.whenNext(this.#goOn);
    this.#owner.onHeldUpChange();
  }

  /** Whether the client has begun a message too long ago, and has been read all the while. */
  get isOverdue(): boolean {
    return this.#hasTurn && performance.now() - this.#partSince > MESSAGE_MS_MAX;
  }

  /** Whose the socket is from now on. */
  charge(budget: Budget): void {
    this.dispose();
    this.#budget = budget;
    const stopListening = budget.work.onChange(() => this.#owner.onHeldUpChange());
    this.#stopSharing = () => {
      stopListening();
      budget.work.forget(this.#goOn);
    };
    // The principal before it may never go on. Behind the frames that waited for the verdict on a token.
    if (this.#hasMore) this.onWait();
  }

  onTurn(): void {
    this.#isWaiting = false;
    this.#hasTurn = true;
    // The time that it had to wait is not the client's.
    this.#partSince = performance.now();
    this.onWait();
  }

  dispose(): void {
    this.#stopSharing();
    this.#endPart();
  }

  #message(data: RawData, isBinary: boolean): void {
    this.#partBytes = 0;
    if (this.#isGone) return;
    // A compressed message is inflated elsewhere, and comes by itself.
    const isInflated = this.#readingSince === undefined;
    // The default `binaryType` makes every message one Buffer.
    const bytes = data as Buffer;
    if (this.#held.length > 0 || this.#budget?.work.isBetween === true) {
      this.#hold(bytes, isBinary);
    } else {
      const began = performance.now();
      this.#owner.onMessage(bytes, isBinary);
      this.#framesRead++;
      if (isInflated) this.#spend(began);
    }
    if (isInflated) this.#budget?.work.charge((bytes.length / MIB) * WORK_INFLATED_MIB_MS);
  }

  #hold(data: Buffer, isBinary: boolean): void {
    const budget = this.#budget;
    this.#held.push({ data, isBinary, budget });
    if (this.#held.length === 1) this.onWait();
    this.#heldBytes += data.length;
    budget?.bytes.hold(data.length);
    // `ws` cannot be stopped from inflating the messages of a piece of the stream that it has.
    const max =
      budget?.isPressed === true ? MESSAGES_HELD_PRESSED_BYTES_MAX : MESSAGES_HELD_BYTES_MAX;
    if (this.#heldBytes <= max) return;
    this.#isGone = true;
    this.#owner.onTooMuchHeld(this.#heldBytes);
  }

  /** Serves what is held as far as the principal may go on, or all of it. */
  #serveHeld(isAll: boolean): void {
    while (this.#held.length > 0 && (isAll || this.#budget?.work.isBetween !== true)) {
      const { data, isBinary, budget } = this.#held.shift()!;
      this.#heldBytes -= data.length;
      budget?.bytes.hold(-data.length);
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
    if (wasWaiting) this.onWait();
  }
}
