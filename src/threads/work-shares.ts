import { Queue } from '../collections/queue.js';
import {
  WORK_BUSY_MS,
  WORK_FRAME_MS,
  WORK_OTHERS_MS,
  WORK_OVERRUN_PAUSE,
  WORK_PIECE_MS,
  WORK_REQUEST_BYTES_MAX,
  WORK_REQUESTS_MAX,
  WORK_SLICE_MS,
} from '../protocol/limits/budgets.js';

/**
 * Splits the time of a thread among principals: a gateway's, or one that reads history. What a client may send is not
 * bounded by what it costs: a frame may take ten milliseconds to be found malformed, and thousands of small publishes go
 * into one commit, behind which those of others wait. So while others are there too, the thread reads nothing more of a
 * principal for which it has worked a slice of time, until it has looked at the others. Where they are busy it looks at
 * them after each piece of a slice as well, and the principal waits as long again behind a slice, or longer if its work
 * went beyond that. It also has only so many publishes and settlements under way. A principal that is alone is never held
 * up. A thread has one.
 */
export class WorkShares {
  /** The part that has worked last, and the time at which another one has. */
  #last: WorkShare | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #otherAt = Number.NEGATIVE_INFINITY;

  part(): WorkShare {
    return new WorkShare(this);
  }

  note(part: WorkShare, now: number): void {
    if (this.#last !== part) this.#otherAt = this.#lastAt;
    this.#last = part;
    this.#lastAt = now;
  }

  /** Others than this part are busy elsewhere. */
  noteOthers(part: WorkShare, now: number): void {
    if (this.#last === part) this.#otherAt = now;
    else this.#lastAt = now;
  }

  /** How long ago another part than this one has worked, ms. */
  sinceOthers(part: WorkShare, now: number): number {
    return now - (this.#last === part ? this.#otherAt : this.#lastAt);
  }
}

/** The part of one principal, over all its connections. */
export class WorkShare {
  readonly #shares: WorkShares;
  /** Called when the part is held up, and when it goes on. */
  readonly #listeners = new Set<() => void>();
  /** Those that have something of the part to do, in the order in which they go on. */
  readonly #waiting = new Set<() => void>();
  /** What is done in its turns for requests that are under way, before anything more is read. */
  readonly #works = new Queue<() => void>();
  #sliceEnd = 0;
  /** What the thread has done for the principal in this piece. */
  #pieceMs = 0;
  #isBetween = false;
  /** What the thread has done for the principal since it last looked at the others. */
  #spentMs = 0;
  /** How long the principal has to wait for that while others are busy. */
  #pauseMs = 0;
  #requests = 0;
  #requestBytes = 0;
  #isServing = false;
  #isWaiting = false;
  #isFull = false;

  constructor(shares: WorkShares) {
    this.#shares = shares;
  }

  /** Whether nothing more of the principal is read for the moment. */
  get isHeldUp(): boolean {
    return this.#isWaiting || this.#isFull;
  }

  /** Whether the thread has to look at the others first. */
  get #isResting(): boolean {
    return this.#isBetween || this.#isWaiting;
  }

  /** Whether what has come already waits until the thread has looked at the others. */
  get isBetween(): boolean {
    return this.#isBetween || this.isHeldUp;
  }

  /**
   * Calls back once, when a piece of work may be done for the part; those who wait take turns. At the earliest when the
   * thread has looked at the others.
   */
  whenNext(next: () => void): void {
    this.#waiting.add(next);
    if (!this.isBetween) this.#endPiece();
  }

  /**
   * Does a piece of work in the part's turn, and counts the time that it takes: at once where the thread need not look at
   * the others first, and behind those that wait already. It is for requests that are under way, so it does not wait until
   * fewer of them are. What `work` goes on with later is not counted. Rejects with what it throws.
   */
  inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#isResting || this.#works.length > 0 || this.#pieceMs >= WORK_SLICE_MS
      ? this.inNextTurn(work)
      : new Promise((resolve) => resolve(this.#measured(work)));
  }

  /** As `inTurn`, but the thread looks at the others before it. */
  inNextTurn<T>(work: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#works.push(() => {
        try {
          resolve(this.#measured(work));
        } catch (error) {
          reject(error);
        }
      });
      if (!this.#isResting) this.#endPiece();
    });
  }

  #measured<T>(work: () => T): T {
    const began = performance.now();
    try {
      return work();
    } finally {
      this.spend(began, 0);
    }
  }

  /** Does not call back. */
  forget(next: () => void): void {
    this.#waiting.delete(next);
  }

  /** Returns a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Others are busy elsewhere. */
  noteOthers(): void {
    this.#shares.noteOthers(this, performance.now());
  }

  /** Whether others have asked for something lately. */
  get hasOthers(): boolean {
    return this.#shares.sinceOthers(this, performance.now()) <= WORK_OTHERS_MS;
  }

  /** Whether others have asked for something just now. */
  get hasBusyOthers(): boolean {
    return this.#shares.sinceOthers(this, performance.now()) <= WORK_BUSY_MS;
  }

  /** Resolves when the principal is not held up. */
  async whenFree(): Promise<void> {
    while (this.isHeldUp) {
      await new Promise<void>((resolve) => {
        const stop = this.onChange(() => {
          stop();
          resolve();
        });
      });
    }
  }

  /** Counts the time since `began`, in which the thread has read so many frames of the principal. */
  spend(began: number, frames: number): void {
    const now = performance.now();
    // Nobody can interrupt such a piece of work, so whoever asks meanwhile waits for the whole of it.
    const overrunMs = Math.max(0, now - began - WORK_SLICE_MS);
    this.#count(began, now, now - began + frames * WORK_FRAME_MS, overrunMs);
  }

  /** Counts work that the thread does at some time for the principal, and that nobody measures. */
  charge(ms: number): void {
    const now = performance.now();
    this.#count(now, now, ms, 0);
  }

  #count(began: number, now: number, ms: number, overrunMs: number): void {
    this.#shares.note(this, now);
    if (began > this.#sliceEnd && !this.#isWaiting) this.#beginSlice();
    this.#spentMs += ms;
    this.#pieceMs += ms;
    this.#pauseMs += ms + overrunMs * WORK_OVERRUN_PAUSE;
    this.#sliceEnd = now + WORK_SLICE_MS;
    if (this.#isWaiting) return;
    if (this.#spentMs < WORK_SLICE_MS || !this.hasOthers) {
      if (this.#pieceMs >= WORK_PIECE_MS && !this.#isBetween && this.hasBusyOthers)
        this.#endPiece();
      return;
    }
    this.#isWaiting = true;
    this.#tell();
    // Behind the sockets of others that are ready now.
    setImmediate(() => this.#lookAtOthers());
  }

  /** A request of so many bytes is under way. */
  begin(bytes: number): void {
    this.#requests++;
    this.#requestBytes += bytes;
    if (this.#isFull || !this.#isOver(1) || !this.hasOthers) return;
    this.#isFull = true;
    this.#tell();
  }

  /** It has been answered. Reading goes on when half of them have been, so that it does not go on for each. */
  end(bytes: number): void {
    this.#requests--;
    this.#requestBytes -= bytes;
    if (!this.#isFull || this.#isOver(0.5)) return;
    this.#isFull = false;
    this.#tell();
  }

  #endPiece(): void {
    this.#isBetween = true;
    // Behind the sockets of others that are ready now.
    setImmediate(() => {
      this.#isBetween = false;
      this.#pieceMs = 0;
      this.#serve();
    });
  }

  #serve(): void {
    // What is served may change the part, which then tells of it.
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      if (this.#serveWorks()) this.#serveWaiting();
    } finally {
      this.#isServing = false;
    }
  }

  /** Whether none is left. */
  #serveWorks(): boolean {
    const began = performance.now();
    while (this.#works.length > 0) {
      if (this.#isResting) return false;
      // A part that is alone is not held up, but others may come.
      if (performance.now() - began >= WORK_SLICE_MS) {
        this.#endPiece();
        return false;
      }
      this.#works.shift()!();
    }
    return true;
  }

  #serveWaiting(): void {
    for (const next of this.#waiting) {
      if (this.isBetween) return;
      this.#waiting.delete(next);
      next();
    }
  }

  #lookAtOthers(): void {
    if (!this.hasBusyOthers) {
      this.#goOn();
      return;
    }
    const pauseMs = this.#pauseMs;
    setTimeout(() => {
      // What had begun before may have gone on meanwhile.
      this.#pauseMs -= pauseMs;
      if (this.#pauseMs >= WORK_SLICE_MS) this.#lookAtOthers();
      else this.#goOn();
    }, pauseMs).unref();
  }

  #goOn(): void {
    this.#beginSlice();
    this.#isWaiting = false;
    this.#tell();
  }

  #beginSlice(): void {
    this.#spentMs = 0;
    this.#pieceMs = 0;
    this.#pauseMs = 0;
  }

  #isOver(share: number): boolean {
    const isMany = this.#requests >= WORK_REQUESTS_MAX * share;
    return isMany || this.#requestBytes >= WORK_REQUEST_BYTES_MAX * share;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
    this.#serve();
  }
}
