/**
 * Whether each shard answers this endpoint. A state in shared memory says what a thread meant to be; a question that
 * goes over the link and comes back says that the thread turns, and that the link carries. Used by one thread.
 */
import { READY_ANSWER_MS } from '../../protocol/limits.js';
import type { ShardProxy } from './shard-proxy.js';

type AskedShard = Pick<ShardProxy, 'shard' | 'failure'> & {
  call(name: 'sync', request: () => object): Promise<unknown>;
};

/** A question that is on its way; `answered` never rejects. */
interface Question {
  readonly askedAt: number;
  readonly answered: Promise<string | undefined>;
}

export class SignsOfLife {
  readonly #proxies: readonly AskedShard[];
  readonly #waitMs: number;
  /** By shard: whoever asks meanwhile waits for the same answer. */
  readonly #open = new Map<number, Question>();

  constructor(proxies: readonly AskedShard[], waitMs = READY_ANSWER_MS) {
    this.#proxies = proxies;
    this.#waitMs = waitMs;
  }

  /** Per shard what is wrong, or `undefined`. Takes no longer than the wait. */
  faults(): Promise<readonly (string | undefined)[]> {
    return Promise.all(this.#proxies.map((proxy) => this.#fault(proxy)));
  }

  async #fault(proxy: AskedShard): Promise<string | undefined> {
    if (proxy.failure !== undefined) return 'it was given up';
    const { askedAt, answered } = this.#ask(proxy);
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

  #ask(proxy: AskedShard): Question {
    const open = this.#open.get(proxy.shard);
    if (open !== undefined) return open;
    const answered = proxy
      .call('sync', () => ({}))
      .then(
        () => undefined,
        (error: Error) => error.message,
      )
      .finally(() => this.#open.delete(proxy.shard));
    const question = { askedAt: performance.now(), answered };
    this.#open.set(proxy.shard, question);
    return question;
  }
}
