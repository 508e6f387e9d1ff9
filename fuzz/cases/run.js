import { appendFileSync } from 'node:fs';
import { namesArgument, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { kinds } from './kinds.js';
import { BUILT, corpusOf, findingText, openKind, play } from './play.js';

/**
 * Here is how it works. Each kind of input that strangers can give to the bus has a module in `kinds/` (`kinds.js` lists
 * them): it makes random cases, by a grammar and by changes of the cases in `corpus/`, gives each to the built product,
 * and says what must hold: nothing but a documented refusal, what goes out comes back, and the same answers as a plain,
 * slow model. A case that fails is made smaller and printed. Kinds that need a server or a process of their own
 * (`websocket`, `http`, `images`) say so in their module.
 *
 *   node fuzz/cases/run.js [KIND…] [--minutes 5] [--seed N] [--cases N] [--guided] [--keep FILE] [--dist DIR]
 *                          [--case JSON] [--record FILE] [--list]
 *
 * The kinds share the time evenly. `--cases` ends each of them after so many. `--guided` keeps cases that run new code
 * and makes further ones of them; `--keep` writes them, as lines for the corpus. `--case` plays one case of one kind.
 * The same seed plays the same cases, but for those that a guide has kept. Exits 0 if nothing was found, 1 if something
 * was, 2 for wrong usage.
 */
const options = readOptions();
if (options.list) {
  for (const [name, about] of Object.entries(kinds)) console.log(`${name.padEnd(14)}${about}`);
  process.exit(0);
}
if (options.single !== undefined) await playSingle(options.names[0], options.single);
console.log(`fuzz: cases, seed ${options.seed}, ${options.minutes} min`);
const began = performance.now();
let cases = 0;
let problems = 0;
for (const [at, kind] of options.names.entries()) await playKind(kind, options.names.length - at);
console.log(`fuzz: ${cases} cases, ${problems} problems`);
if (options.record !== undefined) record(options.record);
process.exit(problems === 0 ? 0 : 1);

async function playKind(kind, kindsLeft) {
  const from = performance.now();
  const ms = (options.minutes * 60_000 - (from - began)) / kindsLeft;
  const { dist, guided: isGuided = false } = options;
  const played = await play(kind, { seed: options.seed, cases: options.cases, ms, dist, isGuided });
  cases += played.cases;
  problems += played.findings.length;
  const perSecond = Math.round((played.cases * 1000) / (performance.now() - from));
  const told = isGuided ? `, kept ${played.reached.length}` : '';
  console.log(`fuzz: ${kind.padEnd(14)} ${played.cases} cases, ${perSecond} a second${told}`);
  for (const finding of played.findings) {
    console.error(`fuzz: ${findingText(kind, finding)}`);
    console.error(
      `fuzz: again with  node fuzz/cases/run.js ${kind} --case '${JSON.stringify(finding.input)}'`,
    );
  }
  if (options.keep === undefined) return;
  for (const input of played.reached) appendFileSync(options.keep, `${JSON.stringify(input)}\n`);
}

/** The error of the check is shown as it is. */
async function playSingle(kind, input) {
  const player = await openKind(kind, options.dist);
  await player.check(input);
  await player.close?.();
  console.log('fuzz: the case holds');
  process.exit(0);
}

/** @param {string} file */
function record(file) {
  recordResult(file, {
    campaign: `cases ${options.names.length === Object.keys(kinds).length ? 'all' : options.names.join(' ')}`,
    fault: 'inputs',
    seeds: [options.seed, 1],
    injections: cases,
    acked: 0,
    lost: 0,
    repeated: 0,
    misordered: 0,
    undetected: 0,
    problems,
    recoveryMs: null,
    seconds: Math.round((performance.now() - began) / 1000),
  });
}

/** @returns {{ names: string[], single: unknown } & import('commander').OptionValues} */
function readOptions() {
  const command = program(
    'node fuzz/cases/run.js',
    'Random inputs of every kind that strangers give to a bus.',
  )
    .addArgument(namesArgument('kind', kinds))
    .option('--minutes <n>', 'plays for so many, all kinds together', positive, 5)
    .option('--cases <n>', 'plays at most so many of each kind', positive, Number.POSITIVE_INFINITY)
    .option('--guided', 'prefers inputs that reach more of the code')
    .option('--keep <file>', 'appends the inputs that reached more to this file')
    .option('--dist <folder>', 'plays with this build', BUILT)
    .option('--case <json>', 'plays this one case, of the one kind that is named', JSON.parse)
    .option('--list', 'names all kinds')
    .parse();
  const { case: single, ...options } = command.opts();
  const [chosen] = command.processedArgs;
  if (single !== undefined && chosen.length !== 1) command.error('error: --case is of one kind');
  for (const name of chosen) corpusOf(name);
  return { names: chosen, single, ...options };
}
