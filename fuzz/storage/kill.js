import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBases } from './bases.js';
import { callsOf } from './calls.js';
import { Campaign } from './campaign.js';
import { judgeCopy, judgeLedger } from './judge-ledger.js';
import { Ledger } from './ledger.js';
import { Random } from './random.js';
import { compileShim, shimEnvironment } from './shim.js';
import { failureOf, SubjectProxy } from './subject-proxy.js';

/**
 * Kills processes (SIGKILL) at any call to the disk, before it, after it or half way through it, while they open,
 * publish, prune, index, back up, restore, reshard or close. In every third case the processes that then open the
 * directory are killed too, up to three of them. Afterwards every acknowledged event must be there, and a copy that was
 * being made must be refused or complete, or be made by the same call.
 */
const BASE_OF = {
  open: 'killed',
  publish: 'killed',
  prune: 'pruned',
  backup: 'killed',
  restore: 'closed',
  reshard: 'closed',
  close: 'pruned',
  index: 'brink',
};
/** `index` is rare, as its base is large. */
const WEIGHTS = {
  open: 4,
  publish: 4,
  prune: 3,
  backup: 3,
  restore: 3,
  reshard: 3,
  close: 3,
  index: 1,
};
const HOW = ['kill', 'killed', 'torn'];
const AGAIN_MAX = 3;
const CASE_MS = 120_000;

export async function kill({ count, seed, folder, bases: basesFolder, lanes, say, until, spoil }) {
  const campaign = new Campaign({ name: 'kill', seed, folder, lanes, say, until });
  const library = compileShim(folder);
  const operations = operationsOf(count, seed);
  const bases = await makeBases(basesFolder, new Set(operations.map((one) => BASE_OF[one])));
  const calls = {};
  for (const one of operations) calls[one] = await countCalls(library, folder, bases, one);
  const lookers = Array.from({ length: lanes }, () => new SubjectProxy());
  let kills = 0;
  await campaign.run(count, {
    closeLane: (lane) => lookers[lane].end(),
    playCase: async (_number, caseSeed, into, lane) => {
      const one = new KillCase({ seed: caseSeed, into, library, bases, calls });
      const problems = await one.play();
      kills += one.kills;
      if (problems.length === 0) problems.push(...(await one.judge(lookers[lane], spoil)));
      campaign.tally({ injections: one.kills, acked: one.acked }, problems);
      const verdict = problems.length > 0 ? problems[0].split(':')[0] : one.operation;
      const told = problems.map(
        (text) => `${one.operation}, killed at ${one.hits.join(', ')}: ${text}`,
      );
      return { verdict, problems: told, again: `--bases ${basesFolder}` };
    },
  });
  say(campaign.summary('cases', { kills }));
  return campaign;
}

function draw(seed) {
  const random = new Random(seed);
  return { operation: random.pickWeighted(WEIGHTS), random };
}

/** The operations of these cases, and `open`, as any case may open its directory again. */
function operationsOf(count, seed) {
  const drawn = Array.from({ length: count }, (_, n) => draw((seed + n) >>> 0).operation);
  return [...new Set(['open', ...drawn])];
}

async function countCalls(library, folder, bases, operation) {
  const options = (root) => {
    cpSync(bases[BASE_OF[operation]].dir, join(root, 'data'), { recursive: true });
    return { dir: join(root, 'data'), target: join(root, 'copy'), operation, seed: 1 };
  };
  const into = join(folder, `calls-${operation}`);
  const calls = await callsOf({ library, folder: into, call: 'operate', options });
  return calls.begin.length;
}

class KillCase {
  kills = 0;
  hits = [];
  #random;
  #base;
  #calls;
  #ledger;
  #seed;
  #library;
  #isDone = false;

  constructor({ seed, into, library, bases, calls }) {
    const { operation, random } = draw(seed);
    this.operation = operation;
    this.#random = random;
    this.#seed = seed;
    this.#library = library;
    this.#calls = calls;
    this.#base = bases[BASE_OF[operation]];
    this.#ledger = Ledger.of(this.#base.truth.logs);
    this.root = join(into, 'disk');
    this.dir = join(this.root, 'data');
    this.copy = join(this.root, 'copy');
    mkdirSync(this.root, { recursive: true });
    cpSync(this.#base.dir, this.dir, { recursive: true });
  }

  get acked() {
    return this.#ledger.acks.size;
  }

  async play() {
    const outcome = await this.#run(this.operation, 'first');
    this.#isDone = 'value' in outcome;
    let problems = problemsOf(outcome);
    let again = this.#random.chance(1 / 3) ? 1 + this.#random.below(AGAIN_MAX) : 0;
    for (; again > 0 && problems.length === 0; again--) {
      problems = problemsOf(await this.#run('open', `again-${again}`));
    }
    return problems;
  }

  async #run(operation, name) {
    const marks = join(this.root, '..', `marks-${name}`);
    const env = shimEnvironment({ library: this.#library, root: this.root, marks });
    const subject = new SubjectProxy({ marks, env });
    const n = 1 + this.#random.below(this.#calls[operation]);
    const fault = { kind: 'any', n, how: this.#random.pick(HOW) };
    const options = { dir: this.dir, target: this.copy, operation, fault, seed: this.#seed };
    const outcome = await subject.ask('operate', options, CASE_MS);
    await subject.end();
    this.#ledger.hit = undefined;
    this.#ledger.add(readFileSync(marks).toString());
    if (this.#ledger.hit !== undefined) this.hits.push(`${this.#ledger.hit} (${fault.how})`);
    if (outcome.died !== undefined) this.kills++;
    return outcome;
  }

  async judge(looker, spoil = (observed) => observed) {
    const problems = await this.#judgeDirectory(looker, this.dir, (observed) =>
      judgeLedger(this.#ledger, spoil(observed), () => true),
    );
    const isCopy = ['backup', 'restore', 'reshard'].includes(this.operation);
    if (!isCopy) return problems;
    const events = this.#base.truth.logs.shards.flatMap((one) => one.events);
    if (!this.#isDone && !existsSync(join(this.copy, 'manifest.json'))) {
      const { dir, copy: target, operation } = this;
      const options = { dir, target, operation, seed: this.#seed };
      const again = failureOf(await looker.ask('operate', options, CASE_MS), 'made again');
      if (again !== undefined) return [...problems, again];
    }
    const ofCopy = await this.#judgeDirectory(looker, this.copy, (observed) => {
      // A copy that was not finished may be refused, with a code.
      if (!this.#isDone && observed.refused?.startsWith('STORE_')) return [];
      return judgeCopy(events, observed);
    });
    return [...problems, ...ofCopy];
  }

  async #judgeDirectory(looker, dir, judge) {
    const outcome = await looker.ask('observe', { dir, depth: 'logs' }, CASE_MS);
    const failure = failureOf(outcome, 'opened afterwards');
    return failure === undefined ? judge(outcome.value) : [failure];
  }
}

/** The process must have been killed, or have finished because it never made the call. */
function problemsOf(outcome) {
  if (outcome.hung) return ['hung: before the kill'];
  if (outcome.error !== undefined) return [`failed: ${outcome.error}`];
  const isKilled = outcome.died === undefined || outcome.died.startsWith('SIGKILL');
  return isKilled ? [] : [`crashed: ${outcome.died}`];
}
