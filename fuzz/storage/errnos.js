import { makeBases } from './bases.js';
import { Campaign } from './campaign.js';
import { CallsOfLogs, forkers } from './forker.js';
import { LogsCase } from './logs-case.js';
import { compileShim } from './shim.js';

/**
 * Lets every call to the disk fail that an operation on logs makes, in each way in which disks fail: as `inject` does with
 * a whole bus, for the operations that `recover` kills. The process gets the error, says what failed with a code, and
 * ends; the next one opens the directory on a disk that works. A seed is the number of a case: 0 is the first call of the
 * first operation with the first fault.
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
const NAMES = ['killed', 'pruned', 'payloads', 'closed'];

export async function errnos(options) {
  const { count, seed, folder, bases: basesFolder, lanes, say, until, spoil } = options;
  const campaign = new Campaign({ name: 'errnos', seed, folder, lanes, say, until });
  const library = compileShim(folder);
  const bases = await makeBases(basesFolder, NAMES);
  const cases = await enumerate(new CallsOfLogs({ library, folder, bases }));
  const subjects = forkers(lanes, library, folder);
  await campaign.run(Math.min(count, cases.length), {
    closeLane: (lane) => subjects[lane].proxy.end(),
    playCase: async (_number, caseSeed, into, lane) => {
      const { name, base, run } = cases[caseSeed % cases.length];
      const one = new LogsCase({ base: bases[base], runs: [run], into, subject: subjects[lane] });
      const problems = await one.play(spoil);
      campaign.tally(one.tally, problems);
      const told = problems.map((text) => `${name}: ${text}`);
      const verdict = problems.length > 0 ? problems[0].split(':')[0] : run.operation;
      return { verdict, problems: told, again: `--bases ${basesFolder}` };
    },
  });
  say(campaign.summary('injections', { possible: cases.length }));
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
          cases.push({ name, base, run: { operation, seed: 1, fault } });
        }
      }
    }
  }
  return cases;
}

/** A short write has no error of its own; only writes can be short. */
function faultsOf(call) {
  return HOW.flatMap((how) => {
    const isOfWrites = how === 'short' || how === 'filling';
    if (isOfWrites && !call.startsWith('write')) return [];
    return (how === 'short' ? ['EIO'] : ERRORS).map((error) => ({ error, how }));
  });
}
