/**
 * Checks that each shard answers this endpoint. The state in shared memory only says what a thread last wrote there; an
 * answer over the link shows that its loop runs and that the link works. Used by one thread.
 */
import { READY_ANSWER_MS } from '../../protocol/limits/endpoint.js';
import type { EndpointEnd } from './endpoint-end.js';

type AskedShard = Pick<EndpointEnd, 'shard' | 'failure'> & {
  call(name: 'sync', request: () => object): Promise<unknown>;
};

/** A question that is on its way; `answered` never rejects. */
interface Question {
  readonly askedAt: number;
  readonly answered: Promise<string | undefined>;
}

export class SignsOfLife {
  readonly #ends: readonly AskedShard[];
  readonly #waitMs: number;
  /** By shard; later callers wait for the same answer. */
  readonly #open = new Map<number, Question>();

  constructor(ends: readonly AskedShard[], waitMs = READY_ANSWER_MS) {
    this.#ends = ends;
    this.#waitMs = waitMs;
  }

  /** Per shard its fault, or `undefined` if it answers. Resolves within `waitMs`. */
  faults(): Promise<readonly (string | undefined)[]> {
    return Promise.all(this.#ends.map((end) => this.#fault(end)));
  }

  async #fault(end: AskedShard): Promise<string | undefined> {
    if (end.failure !== undefined) return 'it was given up';
    const { askedAt, answered } = this.#ask(end);
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<string>((resolve) => {
      timer = setTimeout(() => {
        const silentMs = Math.round(performance.now() - askedAt);
        resolve(`it has not answered for ${silentMs} ms`);
      }, this.#waitMs).unref();
    });
    try {
      return await Promise.race([answered, overdue]);
    } finally {
      clearTimeout(timer);
    }
  }

  #ask(end: AskedShard): Question {
    const open = this.#open.get(end.shard);
    if (open !== undefined) return open;
    const answered = end
      .call('sync', () => ({}))
      .then(
        () => undefined,
        (error: Error) => error.message,
      )
      .finally(() => this.#open.delete(end.shard));
    const question = { askedAt: performance.now(), answered };
    this.#open.set(end.shard, question);
    return question;
  }
}
