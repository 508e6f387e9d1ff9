import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

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
  let equal = 0;
  let size = 0;
  try {
    for (let kill = 0; kill <= kills; kill++) {
      const isLast = kill === kills;
      const args = [program, dir, String((seed + kill) | 0), ...(isLast ? ['--once'] : [])];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const outcome = await play(child, isLast, random);
      if (outcome.fault !== undefined) throw new Error(`kill ${kill}: ${outcome.fault}`);
      if (outcome.size !== undefined) {
        equal++;
        size = outcome.size;
      }
    }
    return { kills, equal, size };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function play(child, isLast, random) {
  let said = '';
  let complaint = '';
  child.stderr.on('data', (chunk) => {
    complaint += chunk;
  });
  const equal = new Promise((resolve) => {
    child.stdout.on('data', (chunk) => {
      said += chunk;
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
  return { size: size === undefined ? undefined : Number(size) };
}

/** `node fuzz/NAME.js [--kills 500] [--seed N]`: exits 0 if all was equal each time, 1 if not. */
export async function runKills(name) {
  const { values } = parseArgs({
    options: { kills: { type: 'string', default: '500' }, seed: { type: 'string' } },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 0x7fffffff));
  console.log(`${name}: seed ${seed}, ${values.kills} kills`);
  try {
    const { kills, equal, size } = await killAgainAndAgain(name, {
      kills: Number(values.kills),
      seed,
    });
    console.log(
      `${name}: ${kills} kills, ${equal} times compared, each time equal; ${size} events`,
    );
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
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
