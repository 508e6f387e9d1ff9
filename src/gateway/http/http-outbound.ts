import type { ServerResponse } from 'node:http';
import { type DrainLimits, DrainWatch } from '../drain-watch.js';
import type { TurnQueue, TurnTask } from '../turn-queue.js';

/**
 * A streamed answer. What is written within one turn of the event loop leaves in one write. More than
 * `maxOutboundBytes` waiting is congestion: whoever produces then waits for `relieved()`. A congested client that
 * takes too little over `stallMs` is cut.
 */
export interface HttpOutboundLimits extends DrainLimits {
  readonly maxOutboundBytes: number;
}

export class HttpOutbound implements TurnTask {
  isQueued = false;
  readonly #response: ServerResponse;
  readonly #turns: TurnQueue;
  readonly #limits: HttpOutboundLimits;
  readonly #onStalled: () => void;
  #texts: string[] = [];
  #textBytes = 0;
  #isEnded = false;
  #isCongested = false;
  readonly #drain: DrainWatch;
  /** What waited in the response when it was looked at last. */
  #lastWaiting = 0;
  #relief: Promise<void> | undefined;
  #relieve: () => void = () => {};

  /** `onStalled` is told before the client is cut. */
  constructor(
    response: ServerResponse,
    turns: TurnQueue,
    limits: HttpOutboundLimits,
    onStalled: () => void,
  ) {
    this.#response = response;
    this.#turns = turns;
    this.#limits = limits;
    this.#onStalled = onStalled;
    this.#drain = new DrainWatch(limits, () => this.#stall());
    response.once('close', () => this.#endCongestion());
  }

  get isOpen(): boolean {
    return !this.#isEnded && !this.#response.destroyed;
  }

  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** `bytes` is the text's length in UTF-8. */
  write(text: string, bytes = Buffer.byteLength(text)): void {
    if (!this.isOpen) return;
    this.#texts.push(text);
    this.#textBytes += bytes;
    this.#turns.add(this);
    if (this.#isCongested || this.#waitingBytes() <= this.#limits.maxOutboundBytes) return;
    this.#isCongested = true;
    this.#drain.begin();
  }

  /** Ends the answer behind what was written. */
  end(trailers?: Readonly<Record<string, string>>): void {
    if (!this.isOpen) return;
    this.runAtEndOfTurn();
    this.#isEnded = true;
    if (trailers !== undefined) this.#response.addTrailers(trailers);
    this.#response.end();
  }

  /** Resolves when there is room again, or the client is gone; at once if there is room now. */
  relieved(): Promise<void> {
    if (!this.#isCongested) return Promise.resolve();
    this.#relief ??= new Promise((resolve) => {
      this.#relieve = resolve;
    });
    return this.#relief;
  }

  runAtEndOfTurn(): void {
    const texts = this.#texts;
    if (texts.length === 0) return;
    this.#texts = [];
    this.#textBytes = 0;
    if (!this.isOpen) return;
    this.#response.write(texts.join(''), this.#onWritten);
    this.#lastWaiting = this.#response.writableLength;
  }

  readonly #onWritten = (): void => {
    const before = this.#lastWaiting;
    this.#lastWaiting = this.#response.writableLength;
    if (!this.#isCongested || this.#response.destroyed) return;
    this.#drain.took(Math.max(0, before - this.#lastWaiting));
    if (this.#waitingBytes() <= this.#limits.maxOutboundBytes / 2) this.#endCongestion();
  };

  #waitingBytes(): number {
    return this.#response.writableLength + this.#textBytes;
  }

  #stall(): void {
    this.#onStalled();
    this.#response.destroy();
  }

  #endCongestion(): void {
    this.#isCongested = false;
    this.#drain.end();
    this.#relief = undefined;
    this.#relieve();
    this.#relieve = () => {};
  }
}
