import { rmSync } from 'node:fs';
import { join } from 'node:path';

const REPORTED_EVERY = 500;
/** The counts of a record, by the first word of a problem. */
const KINDS = {
  lost: 'lost',
  hole: 'lost',
  unreadable: 'lost',
  repeated: 'repeated',
  moved: 'misordered',
  order: 'misordered',
  altered: 'undetected',
  phantom: 'undetected',
  silent: 'undetected',
  'same epoch': 'undetected',
};

/**
 * Runs the cases of a campaign, at most two at a time, and counts their outcomes. Each case has its own seed and its
 * own folder, which is kept if the case has problems.
 */
export class Campaign {
  counts = { cases: 0, problems: 0, hung: 0 };
  /** The number of cases by verdict. */
  verdicts = new Map();
  failures = [];
  /** What all cases together did, for the record of the run. */
  tallied = { injections: 0, acked: 0, lost: 0, repeated: 0, misordered: 0, undetected: 0 };

  /** How long openings took after a fault, ms. */
  #recoveries = [];

  /** `until`: no case begins after it, by `performance.now()`. */
  constructor({ name, seed, folder, lanes, until = Number.POSITIVE_INFINITY, say = console.log }) {
    this.name = name;
    this.seed = seed;
    this.folder = folder;
    this.lanes = lanes;
    this.until = until;
    this.say = say;
  }

  /**
   * `playCase(number, seed, folder, lane)` returns `{ verdict, problems, again }`: the outcome in a word, what was
   * wrong, and the flags that repeat the case. `closeLane(lane)` is called at the end. `numberOf(turn)` is the number of
   * the case whose turn it is, for campaigns to which the order of the cases matters.
   *
   * @param {number} count
   * @param {{
   *   playCase: (number: number, seed: number, folder: string, lane: number) =>
   *     Promise<{ verdict: string, problems: string[], again?: string }>,
   *   closeLane?: (lane: number) => unknown,
   *   numberOf?: (turn: number) => number,
   * }} how
   */
  async run(count, { playCase, closeLane = () => {}, numberOf = (turn) => turn }) {
    let next = 0;
    const runLane = async (lane) => {
      try {
        while (next < count && performance.now() < this.until)
          await this.#runCase(numberOf(next++), lane, playCase);
      } finally {
        await closeLane(lane);
      }
    };
    const lanes = Math.min(this.lanes, count);
    await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
    return this;
  }

  /**
   * Adds what one case did, and its problems by their kind.
   *
   * @param {{ injections?: number, acked?: number, recoveryMs?: number }} did
   * @param {string[]} problems
   */
  tally({ injections = 1, acked = 0, recoveryMs }, problems) {
    const { tallied } = this;
    tallied.injections += injections;
    tallied.acked += acked;
    if (recoveryMs !== undefined) this.#recoveries.push(recoveryMs);
    const firstWords = problems.map((text) => /^[a-z ]*/.exec(text)?.[0]);
    for (const word of firstWords) {
      const kind = KINDS[word];
      if (kind !== undefined) tallied[kind]++;
    }
  }

  async #runCase(number, lane, playCase) {
    const seed = (this.seed + number) >>> 0;
    const folder = join(this.folder, `${this.name}-${seed}`);
    const { verdict, problems, again = '' } = await playCase(number, seed, folder, lane);
    if (++this.counts.cases % REPORTED_EVERY === 0)
      this.say(`${this.name}: ${this.counts.cases} cases`);
    this.verdicts.set(verdict, (this.verdicts.get(verdict) ?? 0) + 1);
    if (problems.length === 0) return rmSync(folder, { recursive: true, force: true });
    this.counts.problems++;
    if (verdict === 'hung') this.counts.hung++;
    this.failures.push({ seed, verdict, problems });
    const told = problems.slice(0, 3).join('\n  ');
    const more = problems.length > 3 ? `\n  and ${problems.length - 3} more` : '';
    const command = `node fuzz/storage/run.js ${this.name} --seed ${seed} --count 1 ${again}`;
    this.say(
      `${this.name}: seed ${seed}: ${verdict}\n  ${told}${more}\n  again with  ${command}\n  kept: ${folder}`,
    );
  }

  /** The counts of this run for `record-result.js`. */
  result(fault) {
    const { cases, problems } = this.counts;
    const sorted = this.#recoveries.sort((a, b) => a - b);
    const at = (share) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] * 10) / 10;
    const recoveryMs = sorted.length === 0 ? null : { p50: at(0.5), p99: at(0.99) };
    const seeds = /** @type {[number, number]} */ ([this.seed, cases]);
    return { campaign: this.name, fault, seeds, ...this.tallied, problems, recoveryMs };
  }

  /** A summary on one line. `unit` is the name for the campaign's cases. */
  summary(unit, extra = {}) {
    const { cases, problems, hung } = this.counts;
    const more = Object.entries(extra).map(([name, value]) => `, ${value} ${name}`);
    const verdicts = [...this.verdicts].sort((a, b) => b[1] - a[1]);
    const parts = verdicts.map(([verdict, count]) => `${count} ${verdict}`).join('; ');
    return `${this.name}: ${cases} ${unit}${more.join('')}: ${problems} problems, ${hung} hung (${parts})`;
  }
}
