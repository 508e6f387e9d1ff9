import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { canaries } from './canary.js';
import { inject } from './inject.js';
import { kill } from './kill.js';
import { mutate } from './mutate.js';
import { payloads, power } from './power.js';

/**
 * Here is how it works. The storage campaign breaks the storage under a log, and checks what is left:
 *
 *   power   a process works on a disk that keeps a record; the power is cut at any point, and the possible disks are opened
 *   payloads  as power, with payloads in files
 *   mutate  a directory is damaged as disks, file systems and people damage it, and read in every way
 *   inject  one call to the disk fails, or all calls do from then on until the faults end
 *   kill    a process is killed at a call to the disk, and in some cases again while the directory is opened
 *
 *   node fuzz/storage/run.js [power] [payloads] [mutate] [inject] [kill] [--count N] [--seed S] [--lanes 2]
 *                            [--bases DIR] [--recording DIR] [--canary]
 *
 * Without a name all run. Each case's seed is that of the case before plus one. The folder of a failing case is
 * kept, and the printed command runs the case again. `--bases` names the folder that keeps the directories that cases
 * begin with; `--recording` names an existing recording for `power`. `--canary` plants a fault that has to be found
 * (`canary.js`). Exits 0 if nothing was lost, silent or hung, 1 if something was, 2 for wrong usage or if a tool is not
 * installed.
 */
const CAMPAIGNS = {
  power: { play: power, count: 2000 },
  payloads: { play: payloads, count: 2000 },
  mutate: { play: mutate, count: 10_000 },
  inject: { play: inject, count: Number.POSITIVE_INFINITY },
  kill: { play: kill, count: 500 },
};

try {
  process.exit((await runAll(readOptions())) ? 0 : 1);
} catch (error) {
  console.error(`fuzz:storage: ${error.message}`);
  process.exit(2);
}

async function runAll({ names, seed, count, isCanary, ...options }) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-storage-'));
  const bases = options.bases ?? join(folder, 'bases');
  let isGood = true;
  for (const name of names) {
    const { play, count: usual } = CAMPAIGNS[name];
    const first = seed ?? (name === 'inject' ? 0 : Math.floor(Math.random() * 0x7fffffff));
    console.log(`${name}: seed ${first}${isCanary ? ', canary' : ''}`);
    const into = join(folder, name);
    mkdirSync(into);
    const canary = isCanary ? canaries[name] : {};
    const settings = { ...options, ...canary, bases, folder: into, say: console.log };
    const began = performance.now();
    const { failures } = await play({ ...settings, seed: first, count: count ?? usual });
    console.log(`${name}: ${Math.round((performance.now() - began) / 1000)} s`);
    if (failures.length > 0) isGood = false;
  }
  if (isGood) rmSync(folder, { recursive: true });
  return isGood;
}

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      count: { type: 'string' },
      seed: { type: 'string' },
      lanes: { type: 'string', default: '2' },
      bases: { type: 'string' },
      recording: { type: 'string' },
      canary: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.find((name) => !(name in CAMPAIGNS));
  if (unknown !== undefined) {
    throw new Error(`no campaign ${unknown}; there are ${Object.keys(CAMPAIGNS).join(', ')}`);
  }
  const number = (name) => {
    if (values[name] === undefined) return undefined;
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new Error(`--${name} ${values[name]} is not a whole number`);
    }
    return value;
  };
  return {
    names: positionals.length > 0 ? positionals : Object.keys(CAMPAIGNS),
    count: number('count'),
    seed: number('seed'),
    lanes: Math.min(2, number('lanes') ?? 2),
    bases: values.bases,
    recording: values.recording,
    isCanary: values.canary,
  };
}
