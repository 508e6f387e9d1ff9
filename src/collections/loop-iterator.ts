/**
 * An iterator whose source ends when the loop over it is left. `for await` calls `return()` after `break`, after
 * `return` and after an error in its body alike, without a reason; `yield*` passes `throw()` on. Any thread.
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
