import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeBases } from './bases.js';
import { Campaign } from './campaign.js';
import { damage } from './damage.js';
import { judgeDamage } from './judge-damage.js';
import { Random } from './random.js';
import { failureOf, SubjectProxy } from './subject-proxy.js';

/**
 * Damages copies of directories, and reads each in every way: see `damage.js` and `judge-damage.js`. Most are read
 * through their logs alone, one in forty through a bus with all its threads.
 */
const WEIGHTS = { closed: 30, killed: 38, pruned: 31, indexed: 1 };
const BUS_SHARE = 1 / 40;
const CASE_MS = 120_000;

export async function mutate({
  count,
  seed,
  folder,
  bases: basesFolder,
  lanes,
  say,
  spoil = same,
}) {
  const campaign = new Campaign({ name: 'mutate', seed, folder, lanes, say });
  const names = namesNeeded(count, seed);
  const bases = await makeBases(basesFolder, names);
  const subjects = Array.from({ length: lanes }, () => new SubjectProxy());
  await campaign.run(count, {
    closeLane: (lane) => subjects[lane].end(),
    playCase: async (_number, caseSeed, into, lane) => {
      const { base, depth, random } = draw(caseSeed);
      const { dir, stale, cursor, truth } = bases[base];
      const copy = join(into, 'data');
      mkdirSync(into, { recursive: true });
      cpSync(dir, copy, { recursive: true });
      const done = `${base}, ${depth}: ${damage(copy, stale, random)}`;
      const outcome = await subjects[lane].ask('observe', { dir: copy, depth, cursor }, CASE_MS);
      const { verdict, silent } = judgeOutcome(truth[depth], outcome, spoil);
      return {
        verdict,
        problems: silent.map((text) => `${done}: ${text}`),
        again: `--bases ${basesFolder}`,
      };
    },
  });
  const silent = campaign.verdicts.get('silent') ?? 0;
  say(campaign.summary('mutations', { silent }));
  return campaign;
}

function same(observed) {
  return observed;
}

/** The case of a seed, which does not depend on the other cases. */
function draw(seed) {
  const random = new Random(seed);
  const base = random.pickWeighted(WEIGHTS);
  const depth = random.chance(BUS_SHARE) ? 'bus' : 'logs';
  return { base, depth, random };
}

function namesNeeded(count, seed) {
  const needed = new Set();
  for (let number = 0; number < count; number++) needed.add(draw((seed + number) >>> 0).base);
  return needed;
}

function judgeOutcome(truth, outcome, spoil) {
  const failure = failureOf(outcome, 'looked at');
  if (failure === undefined) return judgeDamage(truth, spoil(outcome.value));
  return { verdict: failure.split(':')[0], silent: [failure] };
}
