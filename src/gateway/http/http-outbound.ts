import type { ServerResponse } from 'node:http';
import { Congestion, type CongestionLimits, type OutboundAccount } from '../congestion.js';
import type { TurnQueue, TurnTask } from '../turn-queue.js';

/**
 * A streamed answer. The texts of one turn of the event loop are sent in one write. A client that stalls is cut.
 */
export interface HttpOutboundSource {
  readonly turns: TurnQueue;
  readonly settings: CongestionLimits;
}

export class HttpOutbound implements TurnTask {
  isQueued = false;
  readonly #response: ServerResponse;
  readonly #turns: TurnQueue;
  readonly #congestion: Congestion;
  #texts: string[] = [];
  #textBytes = 0;
  #isEnded = false;

  /** `account`: that of the request's principal. `onStalled` is called before the client is cut. */
  constructor(
    response: ServerResponse,
    account: OutboundAccount,
    { turns, settings }: HttpOutboundSource,
    onStalled: () => void,
  ) {
    this.#response = response;
    this.#turns = turns;
    // An answer that has ended is open until the client has taken all of it.
    const transport = {
      get isOpen() {
        return !response.destroyed;
      },
      get bufferedBytes() {
        return response.writableLength;
      },
    };
    this.#congestion = new Congestion(transport, settings, {
      onStalled: () => {
        onStalled();
        response.destroy();
      },
    });
    this.#congestion.account = account;
    response.once('close', () => this.#congestion.end());
  }

  get isOpen(): boolean {
    return !this.#isEnded && !this.#response.destroyed;
  }

  get isCongested(): boolean {
    return this.#congestion.isCongested;
  }

  /** `bytes` is the text's length in UTF-8. */
  write(text: string, bytes = Buffer.byteLength(text)): void {
    if (!this.isOpen) return;
    this.#texts.push(text);
    this.#textBytes += bytes;
    this.#turns.add(this);
    this.#congestion.keep(bytes);
  }

  /** Ends the answer after all that was written. */
  end(trailers?: Readonly<Record<string, string>>): void {
    if (!this.isOpen) return;
    this.runAtEndOfTurn();
    this.#isEnded = true;
    if (trailers !== undefined) this.#response.addTrailers(trailers);
    this.#response.end();
  }

  /** Resolves when the client is not congested any more, or is gone; at once where it is not congested now. */
  relieved(): Promise<void> {
    return this.#congestion.relieved();
  }

  runAtEndOfTurn(): void {
    const texts = this.#texts;
    if (texts.length === 0) return;
    const bytes = this.#textBytes;
    this.#texts = [];
    this.#textBytes = 0;
    if (!this.isOpen) return;
    this.#response.write(texts.join(''), this.#onWritten);
    this.#congestion.keep(-bytes);
    this.#congestion.check();
  }

  readonly #onWritten = (): void => this.#congestion.noteSent();
}
