/** The end of an opening that a broker holds up: `openBus` fails by itself, and says what it has waited for. */
import { BusError } from '../../protocol/errors.js';
import { SHARED_OPEN_MS } from '../../protocol/limits/store.js';

/**
 * @param what the store and its setting that names the servers
 * @param giveUp lets go of what the opening holds; also called if it succeeds too late
 * @throws BusError `STORE_FAILED` when the time is over
 */
export async function withinOpening<T>(
  what: string,
  opening: Promise<T>,
  giveUp: (opened?: T) => unknown,
  limitMs = SHARED_OPEN_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let isLate = false;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true;
      reject(
        new BusError(
          'STORE_FAILED',
          `${what}: the store has not opened within ${limitMs / 1000} s: check that its servers answer`,
        ),
      );
    }, limitMs);
  });
  opening.then(
    (opened) => {
      if (isLate) giveUp(opened);
    },
    () => {},
  );
  try {
    return await Promise.race([opening, late]);
  } catch (error) {
    if (isLate) giveUp();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
