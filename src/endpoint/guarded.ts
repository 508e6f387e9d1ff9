import { captureContext } from '../async-context/node-context.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';

/**
 * Wraps a user's callback that is called while work goes on, such as `onProgress`. It runs in the async context in
 * which it was given. If it throws or rejects, `report` gets the error and the work goes on. For any thread.
 */
export function guarded<T>(
  what: string,
  call: (value: T) => unknown,
  report: (error: BusError) => void,
): (value: T) => void {
  const run = captureContext();
  const failed = (cause: unknown): void => {
    const message = `${what} failed: ${messageOf(cause)}`;
    queueMicrotask(() => report(new BusError('HANDLER_FAILED', message, { cause })));
  };
  return (value) => {
    try {
      Promise.resolve(run(call, value)).catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}
