import { captureContext } from '../async-context/node-context.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';

/**
 * A function of the user's that is told something while work goes on, such as `onProgress`: called in the async context
 * that it was given in. If it throws or rejects, that is reported, and the work goes on. Any thread.
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
