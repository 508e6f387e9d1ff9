import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { program, whole } from '../program.js';
import { recordResult } from '../record-result.js';

/**
 * Kills a program with SIGKILL, again and again. The program, `fuzz/sinks/NAME-child.js DIR SEED`, brings what it does
 * up to date when it starts, compares it with the log, writes a line `equal N`, and goes on with fresh work until it
 * dies. Three of four kills come a random time after that line, the others while the program starts. Any other line, or
 * an exit by itself, is a failure. The last run, with `--once`, ends by itself after it has compared.
 */
export async function killAgainAndAgain(name, { kills, seed }) {
  const program = fileURLToPath(new URL(`${name}-child.js`, import.meta.url));
  const dir = mkdtempSync(join(tmpdir(), `millrace-${name}-`));
  const random = randomOf(seed);
  /** From each start to the comparison, ms. */
  const recoveries = [];
  let size = 0;
  try {
    for (let kill = 0; kill <= kills; kill++) {
      const isLast = kill === kills;
      const args = [program, dir, String((seed + kill) | 0), ...(isLast ? ['--once'] : [])];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const outcome = await play(child, isLast, random);
      if (outcome.fault !== undefined) throw new Error(`kill ${kill}: ${outcome.fault}`);
      if (outcome.size !== undefined) {
        recoveries.push(outcome.tookMs);
        size = outcome.size;
      }
    }
    return { kills, equal: recoveries.length, size, recoveries };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function play(child, isLast, random) {
  let said = '';
  let complaint = '';
  let tookMs = 0;
  const began = performance.now();
  child.stderr.on('data', (chunk) => {
    complaint += chunk;
  });
  const equal = new Promise((resolve) => {
    child.stdout.on('data', (chunk) => {
      said += chunk;
      tookMs ||= performance.now() - began;
      if (said.includes('\n')) resolve(undefined);
    });
  });
  const closed = once(child, 'close');
  if (!isLast) {
    if (random() < 0.75) {
      await Promise.race([equal, closed]);
      await sleep(random() * 150);
    } else {
      await sleep(random() * 400);
    }
    child.kill('SIGKILL');
  }
  const [code, signal] = await closed;
  const [, size] = /^equal (\d+)\n$/.exec(said) ?? [];
  const isExpected = isLast ? code === 0 && size !== undefined : signal === 'SIGKILL';
  if (!isExpected || (said !== '' && size === undefined)) {
    return { fault: `it ended with ${code ?? signal}: ${said}${complaint}` };
  }
  return { size: size === undefined ? undefined : Number(size), tookMs };
}

/**
 * `node fuzz/sinks/NAME.js [--kills 500] [--seed N] [--record FILE]`: exits 0 if all was equal each time, 1 if not.
 */
export async function runKills(name) {
  const {
    kills,
    seed,
    record: file,
  } = program(`node fuzz/sinks/${name}.js`, `Kills a program with ${name} again and again.`)
    .option('--kills <n>', 'kills it so often', whole, 500)
    .parse()
    .opts();
  console.log(`${name}: seed ${seed}, ${kills} kills`);
  const began = performance.now();
  const record = (size, problems, recoveryMs) => {
    if (file === undefined) return;
    const seconds = Math.round((performance.now() - began) / 1000);
    const none = { lost: 0, repeated: 0, misordered: 0, undetected: 0 };
    const counts = { injections: kills, acked: size, ...none, problems, recoveryMs, seconds };
    recordResult(file, { campaign: name, fault: 'killed', seeds: [seed, 1], ...counts });
  };
  try {
    const { equal, size, recoveries } = await killAgainAndAgain(name, { kills, seed });
    console.log(
      `${name}: ${kills} kills, ${equal} times compared, each time equal; ${size} events`,
    );
    record(size, 0, percentiles(recoveries));
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    record(0, 1, null);
    process.exitCode = 1;
  }
}

function percentiles(times) {
  if (times.length === 0) return null;
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.floor((sorted.length - 1) * share)]);
  return { p50: at(0.5), p99: at(0.99) };
}

/** Mulberry32. */
export function randomOf(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
