import { rmSync } from 'node:fs';
import { join } from 'node:path';

const REPORTED_EVERY = 500;

/**
 * Runs the cases of a campaign, at most two at a time, and counts their outcomes. Each case has its own seed and its
 * own folder, which is kept if the case has problems.
 */
export class Campaign {
  counts = { cases: 0, problems: 0, hung: 0 };
  /** The number of cases by verdict. */
  verdicts = new Map();
  failures = [];

  constructor({ name, seed, folder, lanes, say = console.log }) {
    this.name = name;
    this.seed = seed;
    this.folder = folder;
    this.lanes = lanes;
    this.say = say;
  }

  /**
   * `playCase(number, seed, folder, lane)` returns `{ verdict, problems, again }`: the outcome in a word, what was
   * wrong, and the flags that repeat the case. `closeLane(lane)` is called at the end.
   *
   * @param {number} count
   * @param {{
   *   playCase: (number: number, seed: number, folder: string, lane: number) =>
   *     Promise<{ verdict: string, problems: string[], again?: string }>,
   *   closeLane?: (lane: number) => unknown,
   * }} how
   */
  async run(count, { playCase, closeLane = () => {} }) {
    let next = 0;
    const runLane = async (lane) => {
      try {
        while (next < count) await this.#runCase(next++, lane, playCase);
      } finally {
        await closeLane(lane);
      }
    };
    const lanes = Math.min(this.lanes, count);
    await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
    return this;
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

  /** A summary on one line. `unit` is the name for the campaign's cases. */
  summary(unit, extra = {}) {
    const { cases, problems, hung } = this.counts;
    const more = Object.entries(extra).map(([name, value]) => `, ${value} ${name}`);
    const verdicts = [...this.verdicts].sort((a, b) => b[1] - a[1]);
    const parts = verdicts.map(([verdict, count]) => `${count} ${verdict}`).join('; ');
    return `${this.name}: ${cases} ${unit}${more.join('')}: ${problems} problems, ${hung} hung (${parts})`;
  }
}
