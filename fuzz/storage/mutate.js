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
 * through their logs alone, one in a hundred through a bus with all its threads.
 */
const WEIGHTS = { closed: 24, killed: 30, pruned: 24, payloads: 10, household: 11, indexed: 0.5 };
/** Directories of another history, whose files may get into one. */
const FOREIGN = { closed: 'killed', killed: 'closed' };
const ANY_OTHER = 'closed';
const BUS_SHARE = 1 / 100;
const CASE_MS = 600_000;

export async function mutate({
  count,
  seed,
  folder,
  bases: basesFolder,
  lanes,
  say,
  until,
  spoil = same,
}) {
  const campaign = new Campaign({ name: 'mutate', seed, folder, lanes, say, until });
  const names = namesNeeded(count, seed);
  const bases = await makeBases(basesFolder, names);
  const subjects = Array.from({ length: lanes }, () => new SubjectProxy());
  await campaign.run(count, {
    closeLane: (lane) => subjects[lane].end(),
    playCase: async (_number, caseSeed, into, lane) => {
      const { base, depth, random } = draw(caseSeed);
      const { dir, stale, cursor, truth } = bases[base];
      const foreign = bases[FOREIGN[base] ?? ANY_OTHER].dir;
      const copy = join(into, 'data');
      mkdirSync(into, { recursive: true });
      cpSync(dir, copy, { recursive: true });
      const done = `${base}, ${depth}: ${damage({ dir: copy, stale, foreign }, random)}`;
      const outcome = await subjects[lane].ask('observe', { dir: copy, depth, cursor }, CASE_MS);
      const { verdict, silent } = judgeOutcome(truth[depth], outcome, spoil);
      const undetected = silent.length > 0 ? ['silent'] : [];
      campaign.tally({ recoveryMs: outcome.value?.openMs }, undetected);
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
  // A bus would let what waits in it become events.
  const depth = random.chance(BUS_SHARE) && base !== 'household' ? 'bus' : 'logs';
  return { base, depth, random };
}

function namesNeeded(count, seed) {
  const needed = new Set(['closed', 'killed']);
  for (let number = 0; number < count; number++) needed.add(draw((seed + number) >>> 0).base);
  return needed;
}

function judgeOutcome(truth, outcome, spoil) {
  const failure = failureOf(outcome, 'looked at');
  if (failure === undefined) return judgeDamage(truth, spoil(outcome.value));
  return { verdict: failure.split(':')[0], silent: [failure] };
}
