import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { fuzzers } from './fuzzers.js';
import { namesArgument, positive, program } from './program.js';

/**
 * Here is how it works. Plays fuzzers one after the other, each as a process of its own, and says at the end how each came
 * out. `fuzzers.js` names them, and each opens with what it does.
 *
 *   npm run fuzz [-- [NAME…] [--minutes 5] [--seed N] [--record FILE] [--list] [-- FLAG…]]
 *
 * Without a name all play, for `--minutes` each. Flags behind `--` are passed on as they are. Exits 0 if all found nothing,
 * 1 if one found something, 2 for wrong usage.
 */
const options = readOptions();
if (options.list) {
  for (const [name, { about }] of Object.entries(fuzzers))
    console.log(`${name.padEnd(14)}${about}`);
  process.exit(0);
}
/** @type {string[]} */
const outcomes = [];
for (const name of options.names) outcomes.push(await play(name));
console.log(outcomes.join('\n'));

/** @param {string} name */
async function play(name) {
  const { script } = fuzzer(name);
  const program = fileURLToPath(new URL(script, import.meta.url));
  console.log(`\n== ${name}`);
  const child = spawn(process.execPath, [program, ...options.flags], { stdio: 'inherit' });
  const [code, signal] = await once(child, 'exit');
  if (code !== 0) process.exitCode = 1;
  return `${name.padEnd(14)}${code === 0 ? 'found nothing' : `failed: ${code ?? signal}`}`;
}

/** @param {string} name */
function fuzzer(name) {
  const found = fuzzers[name];
  if (found === undefined) throw new Error(`no fuzzer ${name}`);
  return found;
}

/** @returns {{ names: string[], flags: string[], list: boolean }} */
function readOptions() {
  const end = process.argv.indexOf('--');
  const own = end < 0 ? process.argv : process.argv.slice(0, end);
  const command = program('npm run fuzz --', 'Plays fuzzers one after the other.')
    .addArgument(namesArgument('fuzzer', fuzzers))
    .option('--minutes <n>', 'plays each for so many', positive, 5)
    .option('--list', 'names all fuzzers', false)
    .addHelpText('after', '\nFlags behind a further -- are passed on to the fuzzers.')
    .parse(own);
  const { minutes, seed, record, list } = command.opts();
  const flags = ['--minutes', String(minutes)];
  // Each fuzzer draws a seed of its own.
  if (command.getOptionValueSource('seed') === 'cli') flags.push('--seed', String(seed));
  if (record !== undefined) flags.push('--record', record);
  if (end >= 0) flags.push(...process.argv.slice(end + 1));
  return { names: command.processedArgs[0], flags, list };
}
