/**
 * Makes a failing plan smaller, as long as it fails in the same way: drops processes, faults and moves, and lets the
 * scheduler go calm as early as it can.
 */
const TRIES_MAX = 400;
const DECISIONS_MAX = 4096;

/**
 * @param {(plan: any, options: object) => { problems: string[] }} play
 * @returns {{ plan: any, calmFrom: number | undefined, problem: string, tries: number }}
 */
export function shrink(play, plan) {
  const problem = kindOf(play(plan, {}).problems);
  if (problem === undefined) throw new Error('the plan does not fail');
  let tries = 0;
  const fails = (candidate, options = {}) =>
    tries++ < TRIES_MAX && kindOf(play(candidate, options).problems) === problem;
  let best = plan;
  for (let next = plan; next !== undefined; ) {
    best = next;
    next = smallerOnes(best).find((smaller) => fails(smaller));
  }
  const calmFrom = calmest((from) => fails(best, { calmFrom: from }));
  return { plan: best, calmFrom, problem, tries };
}

/** What failed, without the numbers. */
function kindOf(problems) {
  return problems[0]?.split('\n')[0].replace(/\d+/g, '#');
}

/** Each plan that lacks one thing, the largest things first. */
function smallerOnes(plan) {
  const { processes, faults } = plan;
  const smaller = [];
  for (let i = 0; i + 1 < processes.length; i++) {
    smaller.push({ ...plan, processes: processes.toSpliced(i, 1) });
  }
  for (let i = 0; i < faults.length; i++) {
    smaller.push({ ...plan, faults: faults.toSpliced(i, 1) });
  }
  for (const [number, { programs }] of processes.entries()) {
    for (const [place, program] of programs.entries()) {
      for (const less of shorterOnes(program)) {
        smaller.push(withProgram(plan, number, place, less));
      }
    }
  }
  return smaller;
}

function shorterOnes(program) {
  const shorter = [];
  const half = Math.ceil(program.length / 2);
  if (half > 1) shorter.push(program.slice(half), program.slice(0, half));
  for (let i = 0; i < program.length; i++) shorter.push(program.toSpliced(i, 1));
  return shorter;
}

function withProgram(plan, number, place, program) {
  const process = plan.processes[number];
  const programs = process.programs.with(place, program);
  return { ...plan, processes: plan.processes.with(number, { ...process, programs }) };
}

/** From which decision on the scheduler may be calm; undefined: from none. */
function calmest(fails) {
  if (!fails(DECISIONS_MAX)) return undefined;
  let low = 0;
  let high = DECISIONS_MAX;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fails(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}
