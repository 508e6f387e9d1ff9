/**
 * Queues of work, one for each owner. The queues take turns, one piece of work each, so that no owner waits for all the
 * work of another. Between two turns the event loop runs. An owner that is held up, as its share says, has no turn
 * meanwhile. Used by one thread.
 */
import { Queue } from '../collections/queue.js';
import { READ_OWNERS_KNOWN_MAX } from '../protocol/limits/budgets.js';
import { type WorkShare, WorkShares } from '../threads/work-shares.js';

type Work = () => void;

interface Line {
  readonly queue: Queue<Work>;
  readonly share: WorkShare;
}

export class FairTurns<Owner> {
  readonly #shares = new WorkShares();
  /** In the order in which they were last added to. */
  readonly #lines = new Map<Owner, Line>();
  /** The lines that hold work and may have a turn; the first one is next. */
  readonly #ready = new Set<Line>();
  #isScheduled = false;

  add(owner: Owner, work: Work): void {
    const line = this.#line(owner);
    line.queue.push(work);
    this.#update(line);
  }

  /** The owner's part of the thread's time. */
  share(owner: Owner): WorkShare {
    return this.#line(owner).share;
  }

  /** Forgets the work of an owner that has gone. */
  drop(owner: Owner): void {
    const line = this.#lines.get(owner);
    if (line === undefined) return;
    this.#lines.delete(owner);
    this.#ready.delete(line);
    while (line.queue.shift() !== undefined);
  }

  /** Runs all queued work at once, held up or not. */
  runAll(): void {
    for (const line of this.#lines.values()) if (line.queue.length > 0) this.#ready.add(line);
    while (this.#ready.size > 0) this.#runNext();
  }

  /** How many owners are remembered. */
  get size(): number {
    return this.#lines.size;
  }

  #line(owner: Owner): Line {
    const known = this.#lines.get(owner);
    this.#lines.delete(owner);
    const line = known ?? this.#newLine();
    this.#lines.set(owner, line);
    return line;
  }

  #newLine(): Line {
    this.#forgetOne();
    const line = { queue: new Queue<Work>(), share: this.#shares.part() };
    line.share.onChange(() => this.#update(line));
    return line;
  }

  /** Makes room for another owner, if it can: what an owner has spent is remembered for some time. */
  #forgetOne(): void {
    if (this.#lines.size < READ_OWNERS_KNOWN_MAX) return;
    for (const [owner, { queue, share }] of this.#lines) {
      if (queue.length > 0 || share.isHeldUp) continue;
      this.#lines.delete(owner);
      return;
    }
  }

  #update(line: Line): void {
    if (line.queue.length === 0 || line.share.isHeldUp) this.#ready.delete(line);
    else this.#ready.add(line);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#ready.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#runNext();
      this.#schedule();
    });
  }

  #runNext(): void {
    const [line] = this.#ready;
    if (line === undefined) return;
    // It goes to the end of the line.
    this.#ready.delete(line);
    const work = line.queue.shift();
    if (line.queue.length > 0) this.#ready.add(line);
    work?.();
  }
}
