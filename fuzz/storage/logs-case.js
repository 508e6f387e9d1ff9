import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeCopy, judgeLedger } from './judge-ledger.js';
import { Ledger } from './ledger.js';
import { failureOf } from './subject-proxy.js';

/**
 * One case of processes that work on the logs of a directory and meet faults, see `kill-logs.js`; and what is left is
 * judged. Every acknowledged event must be there; events, acks of consumers and ends of waiting that were one commit must
 * be there together; and an interrupted copy must be absent or complete, and be made when it is made again.
 *
 * A process that is made repeatable leaves what others have left before. It is looked at only if it differs in a byte, or
 * if the process had told something else of its work; what was found right then is right now (`Remains`).
 */
const COPIES = ['restore', 'reshard'];
const CASE_MS = 600_000;
const SIGKILL = 9;
/** Lines of a process that say what the judge does not compare with what is left. */
const UNCOMPARED = /^(?!\[)|^\["(hit|ended|error|stage)"/;

/** What was found right, for the cases of a campaign whose processes are made repeatable. */
export class Remains {
  /** How many were looked at. */
  looked = 0;
  #right = new Set();

  /** `at`: the time at which each process begins, in ms since 1970. */
  constructor(at) {
    this.at = at;
  }

  /**
   * Judges what is left, unless the same was found right before.
   *
   * @param {unknown[]} key all that the judgement depends on
   * @param {() => Promise<string[]>} judge
   * @returns {Promise<string[]>} the problems
   */
  async judge(key, judge) {
    const text = JSON.stringify(key);
    if (this.#right.has(text)) return [];
    this.looked++;
    const problems = await judge();
    if (problems.length === 0) this.#right.add(text);
    return problems;
  }
}

export class LogsCase {
  /** @type {{ injections: number, acked: number, recoveryMs?: number }} */
  tally = { injections: 0, acked: 0 };
  #runs;
  #ledger;
  #subject;
  #remains;

  /**
   * `runs`: the operations, one after the other, each with a seed and a fault. `subject`: the process that forks them.
   * `remains`: if the only run is to be repeatable.
   *
   * @param {{ base: any, runs: any[], into: string, subject: { marks: string, proxy: any }, remains?: Remains }} setting
   */
  constructor({ base, runs, into, subject, remains }) {
    this.base = base;
    this.operation = runs[0].operation;
    this.#runs = runs;
    this.dir = join(into, 'data');
    this.copy = join(into, 'copy');
    this.#subject = subject;
    this.#remains = remains;
    this.#ledger = Ledger.of(base.truth.logs);
    mkdirSync(into, { recursive: true });
    cpSync(base.dir, this.dir, { recursive: true });
  }

  get hits() {
    return this.#ledger.hits.join(', ');
  }

  async play(spoil = (observed) => observed) {
    const { marks } = this.#subject;
    const before = existsSync(marks) ? readFileSync(marks).length : 0;
    const outcome = await this.#run();
    const told = readFileSync(marks).subarray(before).toString();
    this.#ledger.add(told);
    this.tally.acked = this.#ledger.acks.size;
    const failure = failureOf(outcome, 'while it was killed');
    if (failure !== undefined) return [failure];
    const { ends } = this.#ledger;
    const problems = ends.flatMap((end) => problemsOf(end, this.#ledger));
    this.tally.injections = this.#ledger.hits.length;
    if (problems.length > 0) return problems;
    const isDone = ends[0].how === 'exit' && ends[0].number === 0;
    return this.#judgeRemains(outcome.value, told, isDone, spoil);
  }

  #run() {
    const { dir, copy: target } = this;
    if (this.#remains === undefined) {
      return this.#ask('killOnLogs', { dir, target, runs: this.#runs });
    }
    const [run] = this.#runs;
    return this.#ask('failOnLogs', { dir, target, run, at: this.#remains.at });
  }

  /** `images`: digests of what is left, if the process was made repeatable. */
  async #judgeRemains(images, told, isDone, spoil) {
    const remains = this.#remains ?? new Remains(0);
    const about = [this.operation, this.base.name, images?.data];
    const compared = told.split('\n').filter((line) => !UNCOMPARED.test(line));
    const problems = await remains.judge(['data', ...about, compared], () =>
      this.#judge(this.dir, (seen) => judgeLedger(this.#ledger, spoil(seen), survives)),
    );
    if (!COPIES.includes(this.operation)) return problems;
    const ofCopy = await remains.judge(['copy', ...about, images?.copy, isDone], () =>
      this.#judgeCopy(isDone),
    );
    return [...problems, ...ofCopy];
  }

  /** A copy is absent or complete; where it is absent, the same call makes it, whatever is left of it. */
  async #judgeCopy(isDone) {
    const events = this.base.truth.logs.shards.flatMap((one) => one.events);
    if (!isDone && !existsSync(join(this.copy, 'manifest.json'))) {
      const options = { dir: this.dir, target: this.copy, operation: this.operation, seed: 1 };
      const again = failureOf(await this.#ask('operateOnLogs', options), 'made again');
      if (again !== undefined) return [again];
    }
    return this.#judge(this.copy, (observed) => judgeCopy(events, observed));
  }

  async #judge(dir, judge) {
    const outcome = await this.#ask('observe', { dir, depth: 'logs' });
    const failure = failureOf(outcome, 'opened afterwards');
    if (failure !== undefined) return [failure];
    this.tally.recoveryMs ??= outcome.value.openMs;
    return judge(outcome.value);
  }

  #ask(call, options) {
    return this.#subject.proxy.ask(call, options, CASE_MS);
  }
}

function survives() {
  return true;
}

/** The process must have been killed, have said what failed, or have finished because it never made the call. */
function problemsOf({ how, number }, ledger) {
  if (how === 'hung') return ['hung: before the kill'];
  if (how === 'exit') return number === 0 ? [] : ledger.errors.filter(isUntyped);
  return number === SIGKILL ? [] : [`crashed: signal ${number}`];
}

function isUntyped(error) {
  return error.includes('UNTYPED') || !error.includes('BusError');
}
