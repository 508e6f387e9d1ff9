import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeCopy, judgeLedger } from './judge-ledger.js';
import { Ledger } from './ledger.js';
import { failureOf } from './subject-proxy.js';

/**
 * One case of processes that work on the logs of a directory and meet faults, see `kill-logs.js`; and what is left is
 * judged. Every acknowledged event must be there; events, acks of consumers and ends of waiting that were one commit must
 * be there together; and an interrupted copy must be absent or complete, and be made when it is made again.
 */
const COPIES = ['restore', 'reshard'];
const CASE_MS = 600_000;
const SIGKILL = 9;

export class LogsCase {
  /** @type {{ injections: number, acked: number, recoveryMs?: number }} */
  tally = { injections: 0, acked: 0 };
  #runs;
  #ledger;
  #subject;

  /**
   * `runs`: the operations, one after the other, each with a seed and a fault. `subject`: the process that forks them.
   *
   * @param {{ base: any, runs: any[], into: string, subject: { marks: string, proxy: any } }} setting
   */
  constructor({ base, runs, into, subject }) {
    this.base = base;
    this.operation = runs[0].operation;
    this.#runs = runs;
    this.dir = join(into, 'data');
    this.copy = join(into, 'copy');
    this.#subject = subject;
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
    const options = { dir: this.dir, target: this.copy, runs: this.#runs };
    const outcome = await this.#ask('killOnLogs', options);
    this.#ledger.add(readFileSync(marks).subarray(before).toString());
    this.tally.acked = this.#ledger.acks.size;
    const failure = failureOf(outcome, 'while it was killed');
    if (failure !== undefined) return [failure];
    const { ends } = this.#ledger;
    const problems = ends.flatMap((end) => problemsOf(end, this.#ledger));
    this.tally.injections = this.#ledger.hits.length;
    if (problems.length > 0) return problems;
    problems.push(
      ...(await this.#judge(this.dir, (seen) => judgeLedger(this.#ledger, spoil(seen), survives))),
    );
    const isDone = ends[0].how === 'exit' && ends[0].number === 0;
    if (COPIES.includes(this.operation)) problems.push(...(await this.#judgeCopy(isDone)));
    return problems;
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
