import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import hdr from 'hdr-histogram-js';

/**
 * The parts that the benches share: options, directories, sides that take turns, percentiles, tables.
 *
 * A bench compares its sides within one run, taking turns, because one machine's figures differ by a factor of two from
 * hour to hour. It reports the median of its rounds, and checks its own results: a wrong one gives exit code 1, however
 * fast it was.
 */

const TMPFS_MAGIC = 0x01021994;

export class CheckFailed extends Error {}

/**
 * @param {unknown} condition
 * @param {string} message
 * @returns {asserts condition}
 */
export function check(condition, message) {
  if (!condition) throw new CheckFailed(message);
}

/**
 * Reads `--name number` flags, each of which has a default, and switches. `--dir` is where the logs are written.
 * @template {Record<string, number>} T
 * @template {string} [S=never]
 * @param {string} about the description that `--help` prints, in a line or two
 * @param {T} defaults
 * @param {readonly S[]} [switches] flags without a value
 * @returns {T & Record<S, boolean> & { dir: string }}
 */
export function readOptions(about, defaults, switches = []) {
  /** @type {Record<string, { type: 'string' | 'boolean', default?: string }>} */
  const options = { dir: { type: 'string', default: 'data' }, help: { type: 'boolean' } };
  for (const [name, value] of Object.entries(defaults)) {
    options[name] = { type: 'string', default: String(value) };
  }
  for (const name of switches) options[name] = { type: 'boolean' };
  const { values } = parseUsage(options);
  if (values.help) {
    const flags = Object.entries(options).map(([name, { default: value }]) =>
      value === undefined ? `  --${name}` : `  --${name.padEnd(12)} ${value}`,
    );
    process.stdout.write(`${about}\n\n${flags.join('\n')}\n`);
    process.exit(0);
  }
  const numbers = Object.keys(defaults).map((name) => [name, readNumber(name, values[name])]);
  const set = switches.map((name) => [name, values[name] === true]);
  return /** @type {T & Record<S, boolean> & { dir: string }} */ ({
    ...Object.fromEntries([...numbers, ...set]),
    dir: resolve(String(values.dir)),
  });
}

/** @param {Record<string, { type: 'string' | 'boolean', default?: string }>} options */
function parseUsage(options) {
  try {
    return parseArgs({ options });
  } catch (error) {
    process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
    process.exit(2);
  }
}

/**
 * @param {string} name
 * @param {unknown} text
 */
function readNumber(name, text) {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  process.stderr.write(`--${name} ${text} is not a whole number above 0\n`);
  process.exit(2);
}

/**
 * Runs a bench: prints the machine it runs on, gives it fresh directories, and prints its report.
 * @param {string} title
 * @param {{ dir: string, cores: number }} options `cores`: with fewer cores the figures say little
 * @param {(bench: Bench) => Promise<void>} body
 */
export async function runBench(title, { dir, cores }, body) {
  const bench = new Bench(title, dir);
  try {
    bench.introduce(cores);
    await body(bench);
  } catch (error) {
    const wrong = error instanceof CheckFailed;
    const { message, stack } = /** @type {Error} */ (error);
    process.stderr.write(wrong ? `WRONG: ${message}\n` : `${stack}\n`);
    process.exitCode = 1;
  } finally {
    bench.end();
  }
}

export class Bench {
  #dir;
  #title;
  /** @type {string[]} */
  #directories = [];
  /** @type {string[]} */
  #kept = [];

  /**
   * @param {string} title
   * @param {string} dir
   */
  constructor(title, dir) {
    this.#title = title;
    this.#dir = dir;
  }

  /** @param {number} cores */
  introduce(cores) {
    const have = availableParallelism();
    mkdirSync(this.#dir, { recursive: true });
    const lines = [
      this.#title,
      `  ${have} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node ${process.versions.node}`,
    ];
    if (have < cores) {
      lines.push(
        `  WARNING: the figures say little below ${cores} cores; the threads of this bench share ${have}`,
      );
    }
    if (statfsSync(this.#dir).type === TMPFS_MAGIC) {
      lines.push(`  WARNING: ${this.#dir} is in memory, so an fsync costs nothing; use --dir`);
    }
    this.say(lines.join('\n'));
  }

  /** @param {string} line */
  say(line) {
    process.stdout.write(`${line}\n`);
  }

  /** A new, empty directory, removed when the bench ends. */
  directory() {
    const directory = this.#makeDirectory();
    this.#directories.push(directory);
    return directory;
  }

  /** The same, but it stays over the rounds of `alternate`. */
  keptDirectory() {
    const directory = this.#makeDirectory();
    this.#kept.push(directory);
    return directory;
  }

  #makeDirectory() {
    const name = basename(process.argv[1] ?? 'bench', '.js');
    return mkdtempSync(join(this.#dir, `bench-${name}-`));
  }

  /** Removes everything that the bench has written. */
  end() {
    this.removeDirectories();
    for (const directory of this.#kept) rmSync(directory, { recursive: true, force: true });
  }

  /** Removes the directories of the sides that have had their turn. */
  removeDirectories() {
    for (const directory of this.#directories.splice(0)) {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /**
   * Lets the sides take turns for `rounds` rounds, after a first round whose figures are dropped. Every other round
   * goes backwards, so that no side always runs right after the same other side.
   * @template {string} S
   * @param {number} rounds
   * @param {Record<S, () => Promise<number>>} sides each returns its figure, such as events/s
   * @returns {Promise<Record<S, number>>} the medians
   */
  async alternate(rounds, sides) {
    const names = /** @type {S[]} */ (Object.keys(sides));
    /** @type {Map<S, number[]>} */
    const figures = new Map(names.map((name) => [name, []]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        const figure = await sides[name]();
        if (round > 0) figures.get(name)?.push(figure);
        this.removeDirectories();
      }
    }
    return /** @type {Record<S, number>} */ (
      Object.fromEntries(names.map((name) => [name, median(figures.get(name) ?? [])]))
    );
  }

  /**
   * Prints a table, and sends its rows to `bench/all.js` if that started this bench.
   * @param {readonly Row[]} rows
   */
  report(rows) {
    this.say(table(rows));
    process.send?.({ title: this.#title, rows });
  }
}

/** @typedef {{ what: string, figure: string, note?: string }} Row */

/** @param {readonly Row[]} rows */
export function table(rows) {
  const what = Math.max(...rows.map((row) => row.what.length));
  const figure = Math.max(...rows.map((row) => row.figure.length));
  return rows
    .map((row) =>
      `  ${row.what.padEnd(what)}  ${row.figure.padStart(figure)}  ${row.note ?? ''}`.trimEnd(),
    )
    .join('\n');
}

/** @param {number} value */
export function perSecond(value) {
  return `${Math.round(value).toLocaleString('en')}/s`;
}

/**
 * @param {number} value
 * @param {number} target at least this
 * @returns {string}
 */
export function againstTarget(value, target) {
  return `target at least ${target}: ${value >= target ? 'met' : 'MISSED'}`;
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Latencies in µs. The caller measures each from the time at which its event was meant to be sent. */
export class Latencies {
  #histogram = hdr.build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });

  /** @param {number} milliseconds */
  recordMs(milliseconds) {
    this.#histogram.recordValue(Math.max(1, Math.round(milliseconds * 1000)));
  }

  get count() {
    return this.#histogram.totalCount;
  }

  /** @param {number} percentile */
  at(percentile) {
    return this.#histogram.getValueAtPercentile(percentile);
  }

  /** `p50 127 µs` … */
  toString() {
    return [50, 95, 99].map((percentile) => `p${percentile} ${this.at(percentile)} µs`).join('  ');
  }
}
