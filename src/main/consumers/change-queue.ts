import { BusError } from '../../protocol/errors.js';
import { CONSUMER_CHANGES_WAITING_MAX } from '../../protocol/limits/consumers.js';

/** Makes one change after the other, in the order of the calls. A refusal stops none of those behind it. */
export class ChangeQueue {
  /** What is changed, for messages. */
  readonly #what: string;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(what: string) {
    this.#what = what;
  }

  /** @throws BusError `LIMIT_EXCEEDED`, and the error of the change */
  add<T>(change: () => Promise<T>): Promise<T> {
    if (this.#waiting >= CONSUMER_CHANGES_WAITING_MAX) {
      const limit = CONSUMER_CHANGES_WAITING_MAX;
      const message = `${limit} changes of ${this.#what} wait for one another, which is the limit`;
      return Promise.reject(new BusError('LIMIT_EXCEEDED', message, { details: { limit } }));
    }
    this.#waiting++;
    const made = this.#last.then(change).finally(() => {
      this.#waiting--;
    });
    this.#last = made.catch(() => {});
    return made;
  }
}
