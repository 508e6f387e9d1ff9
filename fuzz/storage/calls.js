import { mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CALLS, changesOf } from './record.js';
import { shimEnvironment } from './shim.js';
import { SubjectProxy } from './subject-proxy.js';

/** Counts the calls to the disk of a run without faults, so that a fault can be put at any of them. */
const RUN_MS = 600_000;

/**
 * `random`: the file that stands in for random bytes, if any.
 *
 * @param {{ library: string, folder: string, call: string, options: (root: string) => object, random?: string | undefined }} run
 * @returns the calls after the fault was armed, by stage: `{ begin: ['write of shard-000.db' …], close: […] }`
 */
export async function callsOf({ library, folder, call, options, random }) {
  const root = join(folder, 'disk');
  mkdirSync(root, { recursive: true });
  const marks = join(folder, 'marks');
  const record = join(folder, 'record');
  const env = shimEnvironment({ library, root, marks, record, random });
  const subject = new SubjectProxy({ marks, env });
  const outcome = await subject.ask(call, options(root), RUN_MS);
  await subject.end();
  if (!('value' in outcome)) throw new Error(`${call}, faultless: ${JSON.stringify(outcome)}`);
  return countCalls(readFileSync(record));
}

function countCalls(record) {
  /** @type {{ begin: string[], close: string[] }} */
  const calls = { begin: [], close: [] };
  /** @type {'begin' | 'close' | undefined} */
  let stage;
  for (const { kind, data, path } of changesOf(record)) {
    const told = kind === 'M' ? data.toString() : '';
    if (told.startsWith('fail any')) stage = 'begin';
    if (told.startsWith('["stage","close"]')) stage = 'close';
    if (told.startsWith('fail none')) stage = undefined;
    if (kind in CALLS && stage !== undefined)
      calls[stage].push(`${CALLS[kind]} of ${basename(path)}`);
  }
  return calls;
}
