/**
 * The items of a list that comes in pages, one by one, as an async generator would yield them. Where an item is at hand,
 * no generator has to be resumed for it. Calls wait for the ones before them.
 */
export class PageItems<T> implements AsyncGenerator<T> {
  readonly #pages: AsyncGenerator<Iterable<T>>;
  #page: Iterator<T> | undefined;
  /** The last of the calls that wait. */
  #waiting: Promise<unknown> | undefined;
  #isOver = false;

  constructor(pages: AsyncGenerator<Iterable<T>>) {
    this.#pages = pages;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting !== undefined) return this.#behind(() => this.#fetched());
    try {
      const item = this.#page?.next();
      if (item !== undefined && item.done !== true) return Promise.resolve(item);
    } catch (error) {
      return this.throw(error);
    }
    return this.#behind(() => this.#fetched());
  }

  return(): Promise<IteratorResult<T, undefined>> {
    return this.#behind(() => this.#end());
  }

  throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    return this.#behind(async () => {
      await this.#end();
      throw error;
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #behind<R>(work: () => Promise<R>): Promise<R> {
    const result = this.#waiting === undefined ? work() : this.#waiting.then(work);
    // Before whoever waits for the result goes on and asks for the next item.
    const done = (): void => {
      if (this.#waiting === settled) this.#waiting = undefined;
    };
    const settled = result.then(done, done);
    this.#waiting = settled;
    return result;
  }

  async #fetched(): Promise<IteratorResult<T, undefined>> {
    while (!this.#isOver) {
      try {
        const item = this.#page?.next();
        if (item !== undefined && item.done !== true) return item;
        const page = await this.#pages.next();
        if (page.done) break;
        this.#page = page.value[Symbol.iterator]();
      } catch (error) {
        await this.#end();
        throw error;
      }
    }
    return this.#end();
  }

  async #end(): Promise<IteratorResult<T, undefined>> {
    this.#isOver = true;
    this.#page?.return?.();
    this.#page = undefined;
    await this.#pages.return(undefined);
    return { done: true, value: undefined };
  }
}
