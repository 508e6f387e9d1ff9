/**
 * Calls about consumers between the main threads of nodes (docs/adr/0086). A call is sent again until its answer comes; the
 * node that serves it makes it once. Long texts go in pieces.
 */
import { ulid } from 'ulid';
import { BusError, type ErrorData } from '../../../protocol/errors.js';
import { RELAY_PIECE_BYTES } from '../../../protocol/limits/relay.js';
import { messageOf } from '../../../protocol/thrown.js';
import type { ConsumerBroker } from '../../../store/consumer-broker.js';
import { elapsedMs } from '../../../threads/elapsed.js';

/** A call without an answer is sent again, ms; and an answer is kept for who has not heard it. */
const AGAIN_MS = 1000;
const KEPT_MS = 30_000;
/** What stands around the text of a piece, at most. */
const PIECE_HEAD_BYTES = 128;

type Message =
  | {
      readonly ask: string;
      readonly from: string;
      readonly name: string;
      readonly request: unknown;
    }
  | { readonly answer: string; readonly value?: unknown; readonly error?: ErrorData };

interface Piece {
  readonly of: string;
  readonly at: number;
  readonly count: number;
  readonly text: string;
}

/** Serves a call; undefined: this node serves none. */
export type ServeCall = (name: string, request: unknown) => Promise<unknown> | undefined;

export class OwnerLine {
  readonly #broker: ConsumerBroker;
  readonly #node: string;
  readonly #serve: ServeCall;
  readonly #asked = new Map<string, (answer: Extract<Message, { answer: string }>) => void>();
  /** Calls that are served, or were a moment ago, with their answers. */
  readonly #served = new Map<string, { at: number; answer: Message | undefined }>();
  readonly #pieces = new Map<string, { at: number; texts: string[]; left: number }>();
  #stop: (() => void) | undefined;
  #sweep: NodeJS.Timeout | undefined;

  constructor(broker: ConsumerBroker, node: string, serve: ServeCall) {
    this.#broker = broker;
    this.#node = node;
    this.#serve = serve;
  }

  async begin(): Promise<void> {
    this.#stop = await this.#broker.listen(this.#node, (message) => {
      try {
        this.#takePiece(message);
      } catch {
        // Of another program, or of another version: whoever sent it gets no answer.
      }
    });
    this.#sweep = setInterval(() => this.#forget(), AGAIN_MS);
    this.#sweep.unref();
  }

  /** Calls a node, until it answers or `signal` aborts. @throws BusError the refusal; Error after an abort */
  async ask(node: string, name: string, request: unknown, signal: AbortSignal): Promise<unknown> {
    const id = ulid();
    const message: Message = { ask: id, from: this.#node, name, request };
    let again: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        this.#asked.set(id, ({ value, error }) => {
          if (error === undefined) resolve(value);
          else reject(BusError.from(error));
        });
        this.#send(node, message);
        again = setInterval(() => this.#send(node, message), AGAIN_MS);
      });
    } finally {
      clearInterval(again);
      this.#asked.delete(id);
    }
  }

  stop(): void {
    clearInterval(this.#sweep);
    this.#stop?.();
  }

  #take(message: Message): void {
    if (typeof message !== 'object' || message === null) return;
    if ('answer' in message) this.#asked.get(message.answer)?.(message);
    else void this.#answer(message);
  }

  async #answer({ ask, from, name, request }: Extract<Message, { ask: string }>): Promise<void> {
    const known = this.#served.get(ask);
    if (known !== undefined) {
      if (known.answer !== undefined) this.#send(from, known.answer);
      return;
    }
    const serving = Array.isArray(request) ? this.#serve(name, request) : undefined;
    // Who asked finds the node that serves, and asks there.
    if (serving === undefined) return;
    const served: { at: number; answer: Message | undefined } = {
      at: elapsedMs(),
      answer: undefined,
    };
    this.#served.set(ask, served);
    try {
      served.answer = { answer: ask, value: await serving };
    } catch (error) {
      served.answer = { answer: ask, error: dataOf(error) };
    }
    served.at = elapsedMs();
    this.#send(from, served.answer);
  }

  #send(to: string, message: Message): void {
    const text = JSON.stringify(message);
    // A character takes up to three bytes, and an escaped quote two.
    const bytes = Math.min(RELAY_PIECE_BYTES, this.#broker.messageBytesMax - PIECE_HEAD_BYTES);
    const length = Math.floor(bytes / 4);
    const count = Math.max(1, Math.ceil(text.length / length));
    const of = ulid();
    for (let at = 0; at < count; at++) {
      const piece: Piece = { of, at, count, text: text.slice(at * length, (at + 1) * length) };
      this.#broker.send(to, Buffer.from(JSON.stringify(piece)));
    }
  }

  #takePiece(bytes: Uint8Array): void {
    const { of, at, count, text } = JSON.parse(Buffer.from(bytes).toString()) as Piece;
    let whole = this.#pieces.get(of);
    if (whole === undefined) {
      whole = { at: elapsedMs(), texts: [], left: count };
      this.#pieces.set(of, whole);
    }
    whole.texts[at] = text;
    if (--whole.left > 0) return;
    this.#pieces.delete(of);
    this.#take(JSON.parse(whole.texts.join('')) as Message);
  }

  #forget(): void {
    const before = elapsedMs() - KEPT_MS;
    for (const [id, { at, answer }] of this.#served) {
      if (answer !== undefined && at < before) this.#served.delete(id);
    }
    for (const [id, { at }] of this.#pieces) if (at < before) this.#pieces.delete(id);
  }
}

function dataOf(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  return { code: 'STORE_FAILED', message: messageOf(error) };
}
