/**
 * Runs steps that may or may not be asynchronous. A generator yields what each step returned; as long as none is a promise
 * everything runs in one turn, so that a synchronous database's transaction is never left open over an `await`.
 */
export type Steps<T> = Generator<unknown, T, unknown>;

export function drive<T>(steps: Steps<T>): T | Promise<T> {
  return advance(steps, () => steps.next());
}

function advance<T>(steps: Steps<T>, first: () => IteratorResult<unknown, T>): T | Promise<T> {
  let result = first();
  while (result.done !== true) {
    const { value } = result;
    if (isThenable(value)) {
      return Promise.resolve(value).then(
        (settled) => advance(steps, () => steps.next(settled)),
        (error: unknown) => advance(steps, () => steps.throw(error)),
      );
    }
    result = steps.next(value);
  }
  return result.value;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
