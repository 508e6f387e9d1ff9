/**
 * Queues of work, one for each owner. The queues take turns, one piece of work each, so that no owner waits for all the
 * work of another. Between two turns the event loop runs. Used by one thread.
 */
import { Queue } from '../collections/queue.js';

type Work = () => void;

export class FairTurns<Owner> {
  /** The queues that hold work; the first one is next. */
  readonly #queues = new Map<Owner, Queue<Work>>();
  #isScheduled = false;

  add(owner: Owner, work: Work): void {
    let queue = this.#queues.get(owner);
    if (queue === undefined) {
      queue = new Queue();
      this.#queues.set(owner, queue);
    }
    queue.push(work);
    this.#schedule();
  }

  /** Forgets the work of an owner that has gone. */
  drop(owner: Owner): void {
    this.#queues.delete(owner);
  }

  /** Runs all queued work at once. */
  runAll(): void {
    while (this.#queues.size > 0) this.#runNext();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#queues.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#runNext();
      this.#schedule();
    });
  }

  #runNext(): void {
    const [next] = this.#queues;
    if (next === undefined) return;
    const [owner, queue] = next;
    const work = queue.shift();
    this.#queues.delete(owner);
    if (queue.length > 0) this.#queues.set(owner, queue);
    work?.();
  }
}
