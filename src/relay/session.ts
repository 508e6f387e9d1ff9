import { RELAY_ALIVE_MS, RELAY_SILENT_MS } from '../protocol/limits/relay.js';
import { ALIVE, BYE, encodeFrame, type Frame, LOST } from './frames.js';

export interface SessionEnds {
  /** The addresses of this side and of the other. */
  readonly here: string;
  readonly there: string;
  send(address: string, message: Uint8Array): void;
  /** Monotonic ms. */
  now(): number;
}

/**
 * The life of a relay's connection to a desk: numbers what is sent, and finds out when something was lost or the other side
 * is silent. Nothing is sent twice: with the first loss the session is over, and the relay begins anew.
 */
export class Session {
  /** Why it is over. */
  over: string | undefined;
  readonly #ends: SessionEnds;
  #sent = 0;
  #received = 0;
  #sentAt: number;
  #heardAt: number;

  constructor(ends: SessionEnds) {
    this.#ends = ends;
    this.#sentAt = ends.now();
    this.#heardAt = ends.now();
  }

  get there(): string {
    return this.#ends.there;
  }

  /** True if nothing of the session has arrived yet. */
  get isNew(): boolean {
    return this.#received === 0;
  }

  send(kind: number, frame: Partial<Pick<Frame, 'channel' | 'value' | 'body'>> = {}): void {
    if (this.over !== undefined) return;
    const { here, there, send, now } = this.#ends;
    this.#sentAt = now();
    send(there, encodeFrame({ ...frame, kind, from: here, number: ++this.#sent }));
  }

  /** Takes a frame's number; false if the session is over. */
  take({ kind, number }: Pick<Frame, 'kind' | 'number'>): boolean {
    if (this.over !== undefined) return false;
    this.#heardAt = this.#ends.now();
    if (kind === LOST) this.over = 'the other side knows no such session';
    else if (kind === BYE) this.over = 'the other side has ended it';
    else if (number !== ++this.#received) this.#lose('a message was lost');
    return this.over === undefined;
  }

  /** To be called again and again: shows that this side lives, and looks whether the other does. */
  tick(): void {
    const now = this.#ends.now();
    if (this.over !== undefined) return;
    if (now - this.#heardAt >= RELAY_SILENT_MS) this.#lose('the other side is silent');
    else if (now - this.#sentAt >= RELAY_ALIVE_MS) this.send(ALIVE);
  }

  end(): void {
    this.send(BYE);
    this.over ??= 'this side has ended it';
  }

  #lose(why: string): void {
    const { here, there, send } = this.#ends;
    this.over = why;
    send(there, encodeFrame({ kind: LOST, from: here }));
  }
}
