import { simulationOf, suitesFor } from './built-judges.js';
import { BuiltTree } from './built-tree.js';
import { moved } from './moved.js';

/**
 * The second stage of a sample: mutants that no test in its own thread has found are built, one after the other, and
 * judged by the simulation; those that it misses, by suites of whole buses. A verdict counts if the judge comes to it
 * twice, and passes the build without the mutant within the same limit of time.
 *
 * @typedef {import('./samples.js').Mutant} Mutant
 * @typedef {import('./built-judges.js').Judge} Judge
 *
 * @typedef {object} Finding
 * @property {'simulation' | 'suites'} by
 * @property {boolean} isHang The judge runs out of time with the mutant, and not without it.
 * @property {string} where A seed, or files of tests.
 * @property {string | undefined} [words]
 */

/** A judge has so many times the time that it took without a mutant, and the spare time. */
const TIMES_SLOWER_MAX = 4;
const SPARE_MS = 30_000;
const WORDS_LENGTH_MAX = 200;
/** Of the suites the slowest test alone may take a minute; they differ by file, so that nothing is measured first. */
const SUITES_LIMIT_MS = 600_000;

/**
 * @typedef {object} Judged
 * @property {(Mutant & Finding)[]} found
 * @property {Mutant[]} missed
 * @property {Mutant[]} unjudged Those of `missed` that not both judges came to.
 * @property {number} doubtful How many times a judge said two things of one mutant, which is missed then.
 *
 * @param {readonly Mutant[]} mutants Places of a commit.
 * @param {string} commit
 * @param {() => boolean} isOver No other mutant is begun after it.
 * @returns {Promise<Judged>}
 */
export async function judgeBuilt(mutants, commit, isOver) {
  const tree = new BuiltTree();
  try {
    const limitMs = await limitOfSimulation(tree);
    const judges = [
      () => simulationOf(tree.dist, limitMs),
      (/** @type {string} */ file) => suitesFor(tree.folder, file, SUITES_LIMIT_MS),
    ];
    /** @type {Judged} */
    const outcome = { found: [], missed: [...mutants], unjudged: [], doubtful: 0 };
    for (const [stage, judgeOf] of judges.entries()) {
      const left = [...outcome.missed];
      while (left.length > 0) {
        if (isOver()) {
          // What the simulation has missed has to come to the suites yet.
          const isLast = stage === judges.length - 1;
          outcome.unjudged = isLast ? left : outcome.missed;
          return outcome;
        }
        const mutant = /** @type {Mutant} */ (left.shift());
        await judgeOne(mutant, { commit, tree, judge: judgeOf(mutant.file), outcome });
      }
    }
    return outcome;
  } finally {
    tree.remove();
  }
}

/** The simulation has to pass without a mutant. @param {BuiltTree} tree */
async function limitOfSimulation(tree) {
  const began = performance.now();
  const control = await simulationOf(tree.dist, SUITES_LIMIT_MS).play();
  if (control.outcome !== 'passed') throw new Error('the simulation fails without a mutant');
  return SPARE_MS + TIMES_SLOWER_MAX * (performance.now() - began);
}

/**
 * @param {Mutant} mutant
 * @param {{ commit: string, tree: BuiltTree, judge: Judge, outcome: Judged }} stage
 */
async function judgeOne(mutant, { commit, tree, judge, outcome }) {
  const now = moved(mutant, commit);
  if (now === undefined) throw new Error(`${mutant.file}:${mutant.at} has changed since ${commit}`);
  const build = { plant: () => tree.plant(now), restore: () => tree.restore(now) };
  const finding = await findingOf(judge, build);
  build.restore();
  if (finding === 'doubtful') outcome.doubtful++;
  const said = `${mutant.file}:${mutant.at} ${mutant.what}, ${judge.name}:`;
  if (finding === 'doubtful' || finding === undefined) {
    console.log(said, finding ?? 'missed');
    return;
  }
  console.log(said, `found by ${finding.where}: ${finding.words}`);
  outcome.found.push({ ...mutant, ...finding });
  outcome.missed.splice(outcome.missed.indexOf(mutant), 1);
}

/**
 * @param {Judge} judge
 * @param {{ plant: () => void, restore: () => void }} build
 * @returns {Promise<Finding | 'doubtful' | undefined>}
 */
export async function findingOf(judge, { plant, restore }) {
  plant();
  const first = await judge.play();
  if (first.outcome === 'passed') return undefined;
  restore();
  const control = await judge.play(first.where);
  plant();
  const again = await judge.play(first.where);
  if (control.outcome !== 'passed' || again.outcome !== first.outcome) return 'doubtful';
  const isHang = first.outcome === 'out of time';
  const words = isHang ? 'out of time' : first.words?.slice(0, WORDS_LENGTH_MAX);
  return { by: judge.name, isHang, where: first.where.join(' '), words };
}
