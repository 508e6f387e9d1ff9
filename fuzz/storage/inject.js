import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBases } from './bases.js';
import { callsOf } from './calls.js';
import { Campaign } from './campaign.js';
import { judgeLedger } from './judge-ledger.js';
import { Ledger } from './ledger.js';
import { compileShim, shimEnvironment } from './shim.js';
import { failureOf, SubjectProxy } from './subject-proxy.js';

/**
 * Lets the disk fail. A process opens a directory, new or left by a kill, publishes, prunes, backs up, publishes again
 * and closes; one of its calls to the disk fails, or all calls from then on. Afterwards every acknowledged event must
 * be there and no refused one, and nothing may have hung. A seed is the number of a case: 0 is the first call with the
 * first fault.
 */
const FAULTS = [
  { error: 'EIO', how: 'once' },
  { error: 'ENOSPC', how: 'once' },
  { error: 'EDQUOT', how: 'short' },
  { error: 'EIO', how: 'always' },
  { error: 'ENOSPC', how: 'always' },
];
const CASE_MS = 120_000;

export async function inject({
  count,
  seed,
  folder,
  bases: basesFolder,
  lanes,
  say,
  until,
  spoil,
}) {
  const campaign = new Campaign({ name: 'inject', seed, folder, lanes, say, until });
  const library = compileShim(folder);
  const { killed } = await makeBases(basesFolder, ['killed']);
  const cases = await enumerate(library, folder, killed);
  const subjects = Array.from({ length: lanes }, (_, lane) => subjectOf(library, folder, lane));
  const lookers = Array.from({ length: lanes }, () => new SubjectProxy());
  await campaign.run(Math.min(count, cases.length), {
    closeLane: (lane) => Promise.all([subjects[lane].proxy.end(), lookers[lane].end()]),
    playCase: async (_number, caseSeed, into, lane) => {
      const one = cases[caseSeed % cases.length];
      const ledger = one.base === undefined ? new Ledger() : Ledger.of(one.base.truth.logs);
      const outcome = await playFault(one, subjects[lane], into, ledger);
      const problems = problemsOf(outcome, ledger);
      if (problems.length === 0) {
        const options = { dir: join(into, 'data'), depth: 'logs' };
        const seen = await lookers[lane].ask('observe', options, CASE_MS);
        problems.push(...judgeOutcome(ledger, seen, spoil));
      }
      const injections = ledger.hit === undefined ? 0 : 1;
      campaign.tally({ injections, acked: ledger.acks.size }, problems);
      const verdict = verdictOf(problems, ledger);
      const told = problems.map((text) => `${one.name}, ${ledger.hit ?? 'not met'}: ${text}`);
      return { verdict, problems: told, again: `--bases ${basesFolder}` };
    },
  });
  say(campaign.summary('injections', { possible: cases.length }));
  return campaign;
}

/** One case for every call and every fault that the call can meet. */
async function enumerate(library, folder, killed) {
  const cases = [];
  for (const base of [undefined, killed]) {
    const name = base === undefined ? 'new' : base.name;
    const options = (root) => {
      if (base !== undefined) cpSync(base.dir, join(root, 'data'), { recursive: true });
      return { dir: join(root, 'data') };
    };
    const calls = await callsOf({
      library,
      folder: join(folder, `calls-${name}`),
      call: 'script',
      options,
    });
    for (const [stage, told] of Object.entries(calls)) {
      for (const [index, call] of told.entries()) {
        // The reserve file is filled in many equal steps; only the first gets a case.
        if (call.endsWith('.reserve') && call === told[index - 1]) continue;
        for (const { error, how } of FAULTS) {
          if (how === 'short' && !call.startsWith('write')) continue;
          const fault = { kind: 'any', n: index + 1, error, how, stage };
          cases.push({
            base,
            fault,
            name: `${name}, ${stage} ${index + 1} (${call}) ${error} ${how}`,
          });
        }
      }
    }
  }
  return cases;
}

/** A process that plays many cases; its disk is the campaign's folder. */
function subjectOf(library, folder, lane) {
  const marks = join(folder, `marks-${lane}`);
  const env = shimEnvironment({ library, root: folder, marks });
  return { marks, proxy: new SubjectProxy({ marks, env }) };
}

async function playFault({ base, fault }, { marks, proxy }, into, ledger) {
  const dir = join(into, 'data');
  mkdirSync(into, { recursive: true });
  if (base !== undefined) cpSync(base.dir, dir, { recursive: true });
  const before = existsSync(marks) ? readFileSync(marks).length : 0;
  const outcome = await proxy.ask('script', { dir, fault }, CASE_MS);
  ledger.add(readFileSync(marks).subarray(before).toString());
  // The process may still hold files that it could not close.
  if (ledger.errors.some((text) => text.startsWith('close'))) await proxy.end();
  return outcome;
}

function problemsOf(outcome, ledger) {
  const failure = failureOf(outcome, ledger.stages.at(-1) ?? 'before it closed');
  if (failure !== undefined) return [failure];
  const problems = ledger.errors.filter((text) => text.includes('UNTYPED'));
  for (const [id] of ledger.attempts) {
    if (!ledger.acks.has(id) && !ledger.refusals.has(id)) problems.push(`unsettled: ${id}`);
  }
  for (const [id, code] of ledger.refusals) {
    if (code === 'UNTYPED') problems.push(`untyped: ${id}`);
  }
  return problems;
}

function judgeOutcome(ledger, outcome, spoil = (observed) => observed) {
  const failure = failureOf(outcome, 'opened afterwards');
  if (failure !== undefined) return [failure];
  return judgeLedger(ledger, spoil(outcome.value), () => true);
}

function verdictOf(problems, ledger) {
  if (problems.length > 0) return problems[0].split(':')[0];
  if (ledger.hit === undefined) return 'not met';
  if (!ledger.isOpen) return 'open refused';
  return ledger.refusals.size > 0 ? 'publishes refused' : 'all acknowledged';
}
