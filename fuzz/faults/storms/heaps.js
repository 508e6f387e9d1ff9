import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { collectGarbage } from '../census.js';
import { partOfThread } from '../parts/part-of-thread.js';

/**
 * Lets every thread of a process tell how large its heap is, after a collection: loaded first, with `FUZZ_HEAPS`, a
 * folder. When its file `ask` has a new number, each thread appends `[number, part, bytes]` to `heaps.jsonl`. A shard looks
 * at its point `shard.turn` (`parts/points.js`), as its loop does not turn an event loop; it turns four times a second at
 * least.
 */
const folder = process.env.FUZZ_HEAPS;
const LOOK_MS = 100;

if (folder !== undefined) {
  const part = partOfThread();
  const { part: name, kind } = part ?? { part: '', kind: '' };
  let answered = 0;
  let lookedAt = 0;
  const look = () => {
    const now = performance.now();
    if (now - lookedAt < LOOK_MS) return;
    lookedAt = now;
    const asked = Number(readFileSync(join(folder, 'ask'), 'utf8'));
    if (asked === answered || Number.isNaN(asked)) return;
    answered = asked;
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    const line = JSON.stringify([asked, name, heapUsed, external]);
    appendFileSync(join(folder, 'heaps.jsonl'), `${line}\n`);
  };
  if (kind === 'shard') globalThis.__point = look;
  else if (kind !== '' && kind !== 'reader') setInterval(look, LOOK_MS).unref();
}
