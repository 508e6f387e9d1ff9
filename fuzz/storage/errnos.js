import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBases } from './bases.js';
import { Campaign } from './campaign.js';
import { CallsOfLogs, forkers, NO_CALL } from './forker.js';
import { LogsCase, Remains } from './logs-case.js';
import { compileShim } from './shim.js';

/**
 * Lets every call to the disk fail that an operation on logs makes, in each way in which disks fail: as `inject` does with
 * a whole bus, for the operations that `recover` kills. The process gets the error, says what failed with a code, and
 * ends; the next one opens the directory on a disk that works. A seed is the number of a case: 0 is the first call of the
 * first operation with the first fault.
 *
 * Each process is made repeatable (`repeatable.js`), so the call with a number is the same one in each case, and processes
 * that end with the same remains and have told the same are looked at once (`Remains`). A fault that was met by another
 * call than it was for is counted as `elsewhere`.
 */
const BASES_OF = {
  open: ['killed', 'pruned'],
  close: ['pruned'],
  publish: ['killed'],
  payloads: ['payloads'],
  prune: ['pruned'],
  consumers: ['killed'],
  schedules: ['killed'],
  restore: ['closed', 'payloads'],
  reshard: ['closed', 'payloads'],
  // The last, as how many steps it takes depends on the time: no other case gets another number.
  compact: ['killed'],
};
const ERRORS = ['EIO', 'ENOSPC', 'EDQUOT'];
const HOW = ['once', 'always', 'short', 'filling'];
/** More than SQLite takes to begin with. */
const RANDOM_BYTES = 4096;
const NAMES = ['killed', 'pruned', 'payloads', 'closed'];

export async function errnos(options) {
  const { count, seed, folder, bases: basesFolder, lanes, say, until, spoil } = options;
  const campaign = new Campaign({ name: 'errnos', seed, folder, lanes, say, until });
  const library = compileShim(folder);
  const bases = await makeBases(basesFolder, NAMES);
  const random = join(folder, 'random');
  writeFileSync(random, Buffer.alloc(RANDOM_BYTES, 'random'));
  const remains = new Remains(Date.now());
  const { at } = remains;
  const cases = await enumerate(new CallsOfLogs({ library, folder, bases, random, at }));
  const subjects = forkers(lanes, library, folder, random);
  let elsewhere = 0;
  await campaign.run(Math.min(count, cases.length), {
    closeLane: (lane) => subjects[lane].proxy.end(),
    playCase: async (_number, caseSeed, into, lane) => {
      const { name, call, base, run } = cases[caseSeed % cases.length];
      const subject = subjects[lane];
      const one = new LogsCase({ base: bases[base], runs: [run], into, subject, remains });
      const problems = await one.play(spoil);
      campaign.tally(one.tally, problems);
      if (!isAt(call, one.hits)) elsewhere++;
      const told = problems.map((text) => `${name}: ${text}`);
      const verdict = problems.length > 0 ? problems[0].split(':')[0] : run.operation;
      return { verdict, problems: told, again: `--bases ${basesFolder}` };
    },
  });
  const { looked } = remains;
  say(campaign.summary('injections', { possible: cases.length, looked, elsewhere }));
  return campaign;
}

async function enumerate(calls) {
  const cases = [];
  for (const [operation, bases] of Object.entries(BASES_OF)) {
    for (const base of bases) {
      const told = await calls.of(operation, base);
      for (const [index, call] of told.entries()) {
        // The reserve file is filled in many equal steps; only the first gets its cases.
        if (call.endsWith('.reserve') && call === told[index - 1]) continue;
        for (const { error, how } of faultsOf(call)) {
          const fault = { kind: 'any', n: index + 1, error, how };
          const name = `${operation} of ${base}, ${index + 1} (${call}) ${error} ${how}`;
          cases.push({ name, call, base, run: { operation, seed: 1, fault } });
        }
      }
    }
  }
  return cases;
}

/** Whether a fault has met the call that it was for. A rename is told by its new name here, and by its old one there. */
function isAt(call, hits) {
  const [told, met] = [call, hits].map((text) => text.replace(/\.new$/, ''));
  return told === met || call === NO_CALL;
}

/** A short write has no error of its own; only writes can be short. */
function faultsOf(call) {
  return HOW.flatMap((how) => {
    const isOfWrites = how === 'short' || how === 'filling';
    if (isOfWrites && !call.startsWith('write')) return [];
    return (how === 'short' ? ['EIO'] : ERRORS).map((error) => ({ error, how }));
  });
}
