import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { namesArgument, positive, program, whole } from '../program.js';
import { recordResult } from '../record-result.js';
import { canaries } from './canary.js';
import { cuts } from './cuts.js';
import { errnos } from './errnos.js';
import { full } from './full.js';
import { inject } from './inject.js';
import { kill } from './kill.js';
import { mutate } from './mutate.js';
import { payloads, power } from './power.js';
import { recover } from './recover.js';

/** Memory, which is as good a disk as any where the campaign decides what the disk keeps, and ten times as fast. */
const MEMORY = '/dev/shm';
/** These have file systems of their own, of some hundred MiB. */
const ON_DISK = ['cuts', 'full'];

/**
 * Here is how it works. The storage campaign breaks the storage under a log, and checks what is left:
 *
 *   power   a process works on a disk that keeps a record; the power is cut at any point, and the possible disks are opened
 *   payloads  as power, with payloads in files
 *   cuts    the same on XFS and ext4, which are shut down while a process publishes; needs root and loop devices
 *   mutate  a directory is damaged as disks, file systems and people damage it, and read in every way
 *   inject  one call to the disk fails, or all calls do from then on until the faults end
 *   errnos  the same with processes that hold logs alone, in every way in which disks fail
 *   full    real file systems are filled, in memory and btrfs, and there is room again; needs root and loop devices
 *   kill    a process is killed at a call to the disk, and in some cases again while the directory is opened
 *   recover  processes that hold logs alone are killed in the same ways, and many more of them
 *
 *   node fuzz/storage/run.js [NAME…] [--count N] [--seed S] [--minutes M] [--lanes 2] [--bases DIR]
 *                            [--recording DIR] [--record FILE] [--canary]
 *
 * It works in `TMPDIR`, or in memory (`/dev/shm`) if that is not set. Without a name all run. With `--minutes` no case of
 * a campaign begins after so many. Each case's seed is that of the case before plus one. The folder of a failing case is
 * kept, and the printed command runs the case again. `--bases` names the folder that keeps the directories that cases
 * begin with; `--recording` names an existing recording for `power`; `--record` appends a line with the counts to a file
 * (`../record-result.js`). `--canary` plants a fault that has to be found (`canary.js`). Exits 0 if nothing was lost, silent or
 * hung, 1 if something was, 2 for wrong usage or if a tool is not installed.
 */
const CAMPAIGNS = {
  power: { play: power, fault: 'power lost', count: 2000 },
  payloads: { play: payloads, fault: 'power lost', count: 2000 },
  cuts: { play: cuts, fault: 'power lost', count: 200 },
  mutate: { play: mutate, fault: 'damage', count: 10_000 },
  inject: { play: inject, fault: 'disk fails', count: Number.POSITIVE_INFINITY },
  errnos: { play: errnos, fault: 'disk fails', count: Number.POSITIVE_INFINITY },
  full: { play: full, fault: 'disk fails', count: 10 },
  kill: { play: kill, fault: 'killed', count: 500 },
  recover: { play: recover, fault: 'killed', count: 5000 },
};

try {
  process.exit((await runAll(readOptions())) ? 0 : 1);
} catch (error) {
  console.error(`fuzz:storage: ${error.message}`);
  process.exit(2);
}

async function runAll({ names, seed, count, isCanary, ...options }) {
  const folder = mkdtempSync(join(placeOf(names), 'millrace-storage-'));
  const bases = options.bases ?? join(folder, 'bases');
  let isGood = true;
  for (const name of names) {
    const { play, fault, count: usual } = CAMPAIGNS[name];
    const first =
      seed ?? (['inject', 'errnos'].includes(name) ? 0 : Math.floor(Math.random() * 0x7fffffff));
    console.log(`${name}: seed ${first}${isCanary ? ', canary' : ''}`);
    const into = join(folder, name);
    mkdirSync(into);
    const canary = isCanary ? canaries[name] : {};
    const settings = { ...options, ...canary, bases, folder: into, say: console.log };
    const began = performance.now();
    const until = began + (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
    const campaign = await play({ ...settings, until, seed: first, count: count ?? usual });
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(`${name}: ${seconds} s`);
    if (options.record !== undefined && campaign.counts.cases > 0)
      recordResult(options.record, { ...campaign.result(fault), seconds });
    if (campaign.failures.length > 0) isGood = false;
  }
  if (isGood) rmSync(folder, { recursive: true });
  return isGood;
}

function placeOf(names) {
  const isInMemory = existsSync(MEMORY) && !names.some((name) => ON_DISK.includes(name));
  return process.env.TMPDIR === undefined && isInMemory ? MEMORY : tmpdir();
}

/** @returns {{ names: string[], seed: number | undefined, lanes: number, count: number | undefined, isCanary: boolean } & import('commander').OptionValues} */
function readOptions() {
  const command = program(
    'node fuzz/storage/run.js',
    'Breaks the storage under a log, and checks what is left.',
  )
    .addArgument(namesArgument('campaign', CAMPAIGNS))
    .option('--count <n>', 'plays so many cases of a campaign', whole)
    .option('--minutes <n>', 'begins no case of a campaign after so many', positive)
    .option('--lanes <n>', 'plays so many side by side, at most 2', whole, 2)
    .option('--bases <folder>', 'keeps here the directories that cases begin with')
    .option('--recording <folder>', 'cuts the power in this recording')
    .option('--canary', 'plants a fault that has to be found')
    .parse();
  const { canary, seed, lanes, count, ...options } = command.opts();
  return {
    ...options,
    count,
    names: command.processedArgs[0],
    // Without one each campaign has its own.
    seed: command.getOptionValueSource('seed') === 'cli' ? seed : undefined,
    lanes: Math.min(2, lanes),
    isCanary: canary === true,
  };
}
