const MS_PER_S = 1000;
const NS_PER_MS = 1e6;

/** ms by a clock that nobody sets, the same in all threads of the process: those of `performance.now` begin with their thread. */
export function elapsedMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * MS_PER_S + nanoseconds / NS_PER_MS;
}
