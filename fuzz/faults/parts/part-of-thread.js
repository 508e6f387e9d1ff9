import { isMainThread, workerData } from 'node:worker_threads';

/** Which part this thread is, by what it was started with; `undefined` for one that does not die here. */
export function partOfThread() {
  if (isMainThread) return { part: 'main', kind: 'main', isFirst: true };
  const data = workerData ?? {};
  if (data.control !== undefined && data.shard !== undefined) {
    return { part: `shard-${data.shard}`, kind: 'shard', isFirst: data.isFirst };
  }
  if (data.attachment !== undefined) {
    return { part: 'gateway', kind: 'gateway', isFirst: !data.isSuccessor };
  }
  if (data.history !== undefined && data.port !== undefined) {
    return { part: 'reader', kind: 'reader', isFirst: false };
  }
  if (data.bus !== undefined) return { part: 'worker', kind: 'worker', isFirst: false };
  return undefined;
}
