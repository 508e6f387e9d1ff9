/**
 * Calls from a thread that blocks until the answer is there, one at a time, to a thread that lives on its event loop. The caller
 * parks on a word of shared memory, which counts the answers. A second word counts the signs of life of the thread that answers,
 * for where it ends without a word; a third is set when it ends.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

const ANSWERED = 0;
const ALIVE = 1;
const ENDED = 2;
const WORDS_BYTES = 12;
const SIGN_MS = 500;
/** A thread that gives no sign of life for so long has died. Its event loop may be busy for a while. */
const DEAD_AFTER_MS = 15_000;
const DIED = 'the thread that answers has died';

/** One end of the line; both have the words. */
export interface BlockingLine {
  readonly port: MessagePort;
  readonly words: SharedArrayBuffer;
}

interface Answer {
  readonly value?: unknown;
  /** As data: errors lose their codes when they are cloned. */
  readonly error?: unknown;
}

/** What is transferred with an answer, besides being in it. */
export interface Handed<T> {
  readonly value: T;
  readonly transfer?: readonly ArrayBuffer[];
}

export function blockingLine(): { readonly caller: BlockingLine; readonly answerer: BlockingLine } {
  const { port1, port2 } = new MessageChannel();
  const words = new SharedArrayBuffer(WORDS_BYTES);
  return { caller: { port: port1, words }, answerer: { port: port2, words } };
}

export class BlockingCaller {
  readonly #port: MessagePort;
  readonly #words: Int32Array;
  readonly #errorOf: (data: unknown) => Error;

  /** @param errorOf makes an error from what `answerCalls` made of it */
  constructor({ port, words }: BlockingLine, errorOf: (data: unknown) => Error) {
    this.#port = port;
    this.#words = new Int32Array(words);
    this.#errorOf = errorOf;
  }

  /**
   * Blocks until the answer is there, however long that takes.
   * @throws the error of the call; Error if the other thread has died, which may have made the call
   */
  call<T>(request: unknown, transfer: readonly ArrayBuffer[] = []): T {
    const words = this.#words;
    const seen = Atomics.load(words, ANSWERED);
    if (Atomics.load(words, ENDED) !== 0) throw new Error(DIED);
    this.#port.postMessage(request, [...transfer]);
    for (let alive = Atomics.load(words, ALIVE); ; alive = Atomics.load(words, ALIVE)) {
      if (Atomics.wait(words, ANSWERED, seen, DEAD_AFTER_MS) !== 'timed-out') break;
      if (Atomics.load(words, ALIVE) === alive) throw new Error(DIED);
    }
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) throw new Error(DIED);
    const { value, error } = received.message as Answer;
    if (error !== undefined) throw this.#errorOf(error);
    return value as T;
  }

  close(): void {
    this.#port.close();
  }
}

/** Answers the calls of the other end. */
export function answerCalls(
  { port, words: memory }: BlockingLine,
  answer: (request: unknown) => Promise<Handed<unknown>>,
  dataOf: (error: unknown) => unknown,
): void {
  const words = new Int32Array(memory);
  setInterval(() => Atomics.add(words, ALIVE, 1), SIGN_MS).unref();
  // Its own failures end it, and `terminate` does so without a word.
  process.once('exit', () => {
    Atomics.store(words, ENDED, 1);
    Atomics.add(words, ANSWERED, 1);
    Atomics.notify(words, ANSWERED);
  });
  const post = (message: Answer, transfer: readonly ArrayBuffer[] = []): void => {
    port.postMessage(message, [...transfer]);
    // After the message: who wakes finds it.
    Atomics.add(words, ANSWERED, 1);
    Atomics.notify(words, ANSWERED);
  };
  port.on('message', (request: unknown) => {
    answer(request).then(
      ({ value, transfer }) => post({ value }, transfer),
      (error) => post({ error: dataOf(error) }),
    );
  });
}
