import { uptime } from 'node:os';

const MS_PER_S = 1000;
const NS_PER_MS = 1e6;

/**
 * Milliseconds by a monotonic clock that all threads of the process share; `performance.now` begins anew in each
 * thread.
 */
export function elapsedMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * MS_PER_S + nanoseconds / NS_PER_MS;
}

/** The same by a clock that goes on while the machine sleeps, where the platform shows it. Slower to read. */
export function elapsedWithSleepMs(): number {
  try {
    return uptime() * MS_PER_S;
  } catch {
    return elapsedMs();
  }
}
