/**
 * The iterator of something that ends when its loop is left. `for await` calls `return()` alike after `break`, after
 * `return` and after an error in its body, and gives no reason; `yield*` passes `throw()` on. Any thread.
 */
export function loopIterator<T>(
  next: () => Promise<IteratorResult<T>>,
  leave: () => Promise<void>,
): AsyncIterableIterator<T> {
  return {
    next,
    return: async (value) => {
      await leave();
      return { done: true, value: await value };
    },
    throw: async (error) => {
      await leave();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
