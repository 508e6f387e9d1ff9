import { makeBases } from './bases.js';
import { Campaign } from './campaign.js';
import { CallsOfLogs, forkers } from './forker.js';
import { LogsCase } from './logs-case.js';
import { Random } from './random.js';
import { compileShim } from './shim.js';

/**
 * Kills processes that work on the logs of a directory (SIGKILL), as `kill` does with those that have a whole bus, and a
 * hundred times as many: each process is a child of one that has everything loaded (`inChild` in `tell.js`). In half of
 * the cases the processes that then open the directory are killed too, up to five of them. Afterwards every acknowledged
 * event must be there; events, acks of consumers and ends of waiting that were one commit must be there together; and
 * an interrupted copy must be absent or complete, and be made when it is made again.
 */
const BASES_OF = {
  open: ['killed', 'pruned', 'payloads'],
  close: ['pruned'],
  publish: ['killed', 'closed'],
  payloads: ['payloads'],
  prune: ['pruned', 'killed'],
  compact: ['killed', 'pruned'],
  consumers: ['killed'],
  schedules: ['killed'],
  restore: ['closed', 'payloads'],
  reshard: ['closed', 'payloads'],
  index: ['brink'],
};
/** `index` is rare, as its base is large. */
const WEIGHTS = {
  open: 40,
  close: 20,
  publish: 40,
  payloads: 40,
  prune: 40,
  compact: 30,
  consumers: 30,
  schedules: 30,
  restore: 30,
  reshard: 30,
  index: 1,
};
const HOW = ['kill', 'killed', 'torn'];
const AGAIN_MAX = 5;
export async function recover({
  count,
  seed,
  folder,
  bases: basesFolder,
  lanes,
  say,
  until,
  spoil,
}) {
  const campaign = new Campaign({ name: 'recover', seed, folder, lanes, say, until });
  const library = compileShim(folder);
  const bases = await makeBases(basesFolder, namesNeeded(count, seed));
  const calls = new CallsOfLogs({ library, folder, bases });
  const subjects = forkers(lanes, library, folder);
  await campaign.run(count, {
    closeLane: (lane) => subjects[lane].proxy.end(),
    playCase: async (_number, caseSeed, into, lane) => {
      const { operation, base: name, random } = draw(caseSeed);
      const runs = await runsOf({ operation, base: name, random, seed: caseSeed, calls });
      const one = new LogsCase({ base: bases[name], runs, into, subject: subjects[lane] });
      const problems = await one.play(spoil);
      campaign.tally(one.tally, problems);
      const verdict = problems.length > 0 ? problems[0].split(':')[0] : one.operation;
      const told = problems.map(
        (text) => `${one.operation} of ${one.base.name}, killed at ${one.hits}: ${text}`,
      );
      return { verdict, problems: told, again: `--bases ${basesFolder}` };
    },
  });
  say(campaign.summary('cases', { kills: campaign.tallied.injections }));
  return campaign;
}

function draw(seed) {
  const random = new Random(seed);
  const operation = random.pickWeighted(WEIGHTS);
  return { operation, base: random.pick(BASES_OF[operation]), random };
}

function namesNeeded(count, seed) {
  const needed = new Set(['killed']);
  for (let n = 0; n < count; n++) needed.add(draw((seed + n) >>> 0).base);
  return needed;
}

/** The operation, and in half of the cases openings after it: each is to be killed at a call drawn at random. */
async function runsOf({ operation, base, random, seed, calls }) {
  const again = random.chance(1 / 2) ? 1 + random.below(AGAIN_MAX) : 0;
  const runs = [];
  for (let n = 0; n <= again; n++) {
    const [doing, on] = n === 0 ? [operation, base] : ['open', 'killed'];
    const { length } = await calls.of(doing, on);
    const fault = { kind: 'any', n: 1 + random.below(length), how: random.pick(HOW) };
    runs.push({ operation: doing, seed: (seed * 8 + n) >>> 0, fault });
  }
  return runs;
}
