import { PRESSED_OUTBOUND_BYTES_MAX } from '../protocol/limits.js';
import { type DrainLimits, DrainWatch } from './drain-watch.js';

/**
 * Decides when a client has too much waiting for it, for sockets and HTTP answers alike.
 *
 * More than `maxOutboundBytes`, in bytes that a producer still keeps and in the transport, is congestion: producers then wait
 * for `relieved()`. Below half of that there is room again. Where the principal holds all that it may, less is congestion
 * already. A congested client that takes too little over `stallMs` is reported as stalled. One thread.
 */
export interface CongestionLimits extends DrainLimits {
  readonly maxOutboundBytes: number;
}

/** The socket or the answer that the bytes leave by. */
export interface Transport {
  /** False once it was closed or cut: it takes nothing more. */
  readonly isOpen: boolean;
  /** Bytes that it was given and that have not left. */
  readonly bufferedBytes: number;
}

export interface CongestionOwner {
  onCongestionChange?(): void;
  onStalled(): void;
}

/** On whom it counts what waits. */
export interface OutboundAccount {
  readonly isPressed: boolean;
  readonly bytes: { hold(bytes: number): void };
}

export class Congestion {
  /** Known once it is known who the client is. */
  account: OutboundAccount | undefined;
  readonly #transport: Transport;
  readonly #owner: CongestionOwner;
  readonly #bytesMax: number;
  readonly #drain: DrainWatch;
  #keptBytes = 0;
  /** What waited in the transport when it was looked at last: since then it can only have become less. */
  #bufferedBytes = 0;
  /** What the account was told. */
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

  /** Counts bytes that a producer keeps, to hand them over later; negative when it has. */
  keep(bytes: number): void {
    this.#keptBytes += bytes;
    if (this.#keptBytes + this.#bufferedBytes > this.#bytesMax) this.check();
  }

  /** The transport was given something. */
  check(): void {
    if (!this.#transport.isOpen) return;
    if (this.#waitingBytes() <= this.#limit || this.#isCongested) return;
    this.#isCongested = true;
    this.#drain.begin();
    this.#owner.onCongestionChange?.();
  }

  /** Something has left the transport. */
  left(): void {
    // The writes that a cut socket drops end here too: that is no room for more.
    if (!this.#transport.isOpen) return;
    const before = this.#bufferedBytes;
    const waiting = this.#waitingBytes();
    if (!this.#isCongested) return;
    this.#drain.took(Math.max(0, before - this.#bufferedBytes));
    if (waiting > this.#limit / 2) return;
    this.end();
    this.#owner.onCongestionChange?.();
  }

  /** Resolves when there is room again, or the client is gone; at once if there is room now. */
  relieved(): Promise<void> {
    if (!this.#isCongested) return Promise.resolve();
    this.#relief ??= new Promise((resolve) => {
      this.#relieve = resolve;
    });
    return this.#relief;
  }

  /** There is room, or the client is gone: nobody waits any longer. */
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
