import { PRESSED_OUTBOUND_BYTES_MAX } from '../protocol/limits/gateway.js';
import { type DrainLimits, DrainWatch } from './drain-watch.js';

/**
 * Decides when too many bytes wait for a client, for sockets and HTTP answers alike.
 *
 * A client is congested once more than `maxOutboundBytes` wait for it, in its transport and kept by producers together;
 * producers then wait for `relieved()`. The congestion ends when half of that or less is waiting. The bound is
 * `PRESSED_OUTBOUND_BYTES_MAX`, if that is lower, while the principal holds all that it may. A congested client that
 * takes too little over `stallMs` is reported as stalled. One thread.
 */
export interface CongestionLimits extends DrainLimits {
  readonly maxOutboundBytes: number;
}

/** The socket or the HTTP answer that carries the bytes to the client. */
export interface Transport {
  /** False once the transport was closed or cut: it takes nothing more. */
  readonly isOpen: boolean;
  /** Bytes that were written to the transport and that it has not sent. */
  readonly bufferedBytes: number;
}

export interface CongestionOwner {
  onCongestionChange?(): void;
  onStalled(): void;
}

/** The account of the client's principal, on which the waiting bytes are counted. */
export interface OutboundAccount {
  readonly isPressed: boolean;
  readonly bytes: { hold(bytes: number): void };
}

export class Congestion {
  /** Set once the client has authenticated. */
  account: OutboundAccount | undefined;
  readonly #transport: Transport;
  readonly #owner: CongestionOwner;
  readonly #bytesMax: number;
  readonly #drain: DrainWatch;
  #keptBytes = 0;
  /**
   * The transport's `bufferedBytes` as last read; every write is followed by a check, so they can only have become
   * fewer.
   */
  #bufferedBytes = 0;
  /** The bytes that are counted on the account. */
  #heldBytes = 0;
  #isCongested = false;
  #relief: Promise<void> | undefined;
  #relieve: () => void = () => {};

  constructor(transport: Transport, limits: CongestionLimits, owner: CongestionOwner) {
    this.#transport = transport;
    this.#owner = owner;
    this.#bytesMax = limits.maxOutboundBytes;
    this.#drain = new DrainWatch(limits, () => owner.onStalled());
  }

  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** Counts bytes that a producer keeps to write them later; negative once the producer has written them. */
  keep(bytes: number): void {
    this.#keptBytes += bytes;
    if (this.#keptBytes + this.#bufferedBytes > this.#bytesMax) this.check();
  }

  /** To be called after each write to the transport: begins congestion where too much waits. */
  check(): void {
    if (!this.#transport.isOpen) return;
    if (this.#waitingBytes() <= this.#limit || this.#isCongested) return;
    this.#isCongested = true;
    this.#drain.begin();
    this.#owner.onCongestionChange?.();
  }

  /** To be called when the transport has sent bytes: ends congestion where enough room is left. */
  noteSent(): void {
    // A cut socket reports the writes that it drops as well; they make no room.
    if (!this.#transport.isOpen) return;
    const before = this.#bufferedBytes;
    const waiting = this.#waitingBytes();
    if (!this.#isCongested) return;
    this.#drain.took(Math.max(0, before - this.#bufferedBytes));
    if (waiting > this.#limit / 2) return;
    this.end();
    this.#owner.onCongestionChange?.();
  }

  /** Resolves when the client is not congested any more, or is gone; at once where it is not congested now. */
  relieved(): Promise<void> {
    if (!this.#isCongested) return Promise.resolve();
    this.#relief ??= new Promise((resolve) => {
      this.#relieve = resolve;
    });
    return this.#relief;
  }

  /** Ends congestion, because there is room or the client is gone, and resolves `relieved()`. */
  end(): void {
    this.#isCongested = false;
    this.#drain.end();
    this.#relief = undefined;
    this.#relieve();
    this.#relieve = () => {};
  }

  get #limit(): number {
    if (this.account?.isPressed !== true) return this.#bytesMax;
    return Math.min(this.#bytesMax, PRESSED_OUTBOUND_BYTES_MAX);
  }

  #waitingBytes(): number {
    this.#bufferedBytes = this.#transport.bufferedBytes;
    const waiting = this.#bufferedBytes + this.#keptBytes;
    this.account?.bytes.hold(waiting - this.#heldBytes);
    if (this.account !== undefined) this.#heldBytes = waiting;
    return waiting;
  }
}
