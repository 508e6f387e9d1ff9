/**
 * Keeps the event loop of this thread alive while work is under way. The ports and threads of a bus are unreferenced,
 * or a program that forgets `close()` would never end. One timer, which never fires, keeps the loop alive for all of
 * them: to ref and unref it costs far less than to do so with every port. Any thread; each has its own timer.
 */
let timer: NodeJS.Timeout | undefined;
let holders = 0;

/** The longest interval that `setInterval` takes. */
const NEVER_MS = 2 ** 31 - 1;

export class KeepAlive {
  #isHeld = false;

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Idempotent, and cheap enough to be called for every event. */
  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    timer ??= setInterval(() => {}, NEVER_MS);
    if (holders++ === 0) timer.ref();
  }

  /** Idempotent. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    if (--holders === 0) timer?.unref();
  }
}

/** Keeps the event loop alive until the work is done. */
export async function keepAliveDuring<T>(work: Promise<T>): Promise<T> {
  const alive = new KeepAlive();
  alive.hold();
  try {
    return await work;
  } finally {
    alive.release();
  }
}
