import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DIR, namesArgument, positive, program } from '../program.js';
import { recordResult } from '../record-result.js';
import { CalledProcess } from './called-process.js';
import { BUILT, startServer } from './storms/start.js';

/**
 * Here is how it works. Storms go over a server, each for several rounds: thousands of clients that connect at once, are
 * cut and connect again; subscriptions that come and go; a million topics that have one event each; ids without end;
 * consumers that are made and deleted. Each storm checks what the bus did meanwhile, by counts. After each round the
 * server is asked what it holds, with the heaps of all its threads after a collection: tables have to be as they were
 * before, and memory, descriptors and threads as they were after the first round, which fills caches.
 *
 *   node fuzz/faults/storms.js [NAME…] [--scale 1] [--rounds 3] [--seed N] [--leak] [--record FILE] [--dir DIR]
 *
 * `--scale 0.01` is a hundredth of each storm. `--leak` lets the harness hold what a round made, which has to be found.
 * Exits 0 if all was right, 1 if not, 2 for wrong usage.
 */
const SIZES = { reconnects: 2000, churn: 20_000, topics: 1_000_000, ids: 100_000, consumers: 2000 };
/** What may stay over the first round, beyond which a round leaves something behind. */
const MORE = {
  descriptors: 8,
  threads: 2,
  heap: 16 * 2 ** 20,
  external: 8 * 2 ** 20,
  rss: 96 * 2 ** 20,
};
const SETTLE_MS = 120_000;
const SPREAD = 250;

const { names, scale, rounds, seed, leak, record, dir } = readOptions();
console.log(`fuzz: storms, seed ${seed}, scale ${scale}, ${rounds} rounds`);
const began = performance.now();
/** @type {{ strikes: number, problems: string[] }} */
const sum = { strikes: 0, problems: [] };
for (const name of names) await storm(name);
console.log(`fuzz: storms: ${sum.strikes} strikes, ${sum.problems.length} problems`);
if (record !== undefined) {
  recordResult(record, {
    campaign: 'faults storms',
    fault: 'storm',
    seeds: [seed, names.length * rounds],
    injections: sum.strikes,
    acked: 0,
    lost: 0,
    repeated: 0,
    misordered: 0,
    undetected: 0,
    problems: sum.problems.length,
    recoveryMs: null,
    seconds: Math.round((performance.now() - began) / 1000),
  });
}
process.exit(sum.problems.length === 0 ? 0 : 1);

async function storm(name) {
  const folder = mkdtempSync(join(dir, `millrace-storm-${name}-`));
  const server = await serverIn(folder);
  const count = Math.max(20, Math.round(SIZES[name] * scale));
  const problems = [];
  try {
    const before = await settled(server, undefined);
    const held = [];
    for (let round = 0; round < rounds; round++) {
      const at = performance.now();
      const strikes = await strike(name, server, count, seed + round);
      sum.strikes += strikes;
      if (leak) await server.call('hold', { count: 2000 });
      held.push(await settled(server, before.rows));
      const seconds = Math.round((performance.now() - at) / 1000);
      console.log(`fuzz: ${name}, round ${round}: ${strikes}, ${seconds} s, ${shown(held.at(-1))}`);
    }
    problems.push(...(await server.call('problems')), ...grown(name, before, held));
  } catch (error) {
    problems.push(`${name}: ${error.stack}`);
  } finally {
    await Promise.race([server.end(), pass(20_000)]);
    server.kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  for (const problem of problems) console.error(`fuzz: ${problem}`);
  sum.problems.push(...problems);
}

function serverIn(folder) {
  return startServer(folder, {
    bus: { shards: 2, systemEvents: false, dedupeIdsMax: 20_000 },
    gateway: { maxConnectionsPerAddress: 5000, heartbeatMs: 10_000 },
  });
}

function strike(name, server, count, roundSeed) {
  if (name === 'reconnects') return reconnects(server, count);
  return server.call('storm', { name, count, seed: roundSeed });
}

/** All connect at once, get an event, are cut at once, connect again, and get everything that came meanwhile. */
async function reconnects(server, count) {
  const client = join(BUILT, 'client.js');
  const program = fileURLToPath(new URL('./storms/clients.js', import.meta.url));
  const processes = [];
  for (let first = 0; first < count; first += SPREAD) {
    const one = await new CalledProcess(program, { client, url: server.url }).begin();
    processes.push({ one, first, count: Math.min(SPREAD, count - first) });
  }
  const everyone = async (events) => {
    await eventually(`every client has got ${events} events`, async () => {
      const got = await Promise.all(processes.map(({ one }) => one.call('got', { events })));
      return got.reduce((all, some) => all + some, 0) === count;
    });
  };
  const toAll = (n) => [{ topic: 'to-all', type: 'storm', payload: { n } }];
  await Promise.all(processes.map(({ one, ...range }) => one.call('open', range)));
  await server.call('publish', { events: toAll(1) });
  await everyone(1);
  const cut = await server.call('cut');
  if (cut !== count) throw new Error(`${cut} of ${count} connections were there to be cut`);
  await server.call('publish', { events: toAll(2) });
  await everyone(2);
  const problems = (await Promise.all(processes.map(({ one }) => one.call('problems')))).flat();
  await Promise.all(processes.map(({ one }) => one.call('close')));
  await Promise.all(processes.map(({ one }) => one.end()));
  if (problems.length > 0) throw new Error(problems.slice(0, 5).join('; '));
  return 2 * count;
}

/** What the server holds once its tables are as they were. */
async function settled(server, rows) {
  let held;
  await eventually(
    'the tables are as they were before',
    async () => {
      held = await server.call('census');
      return held.isWhole && (rows === undefined || isBack(held.rows, rows));
    },
    () => `${JSON.stringify(held?.rows)}, not ${JSON.stringify(rows)}`,
  );
  return held;
}

/** A client that published keeps its topic; everything else has to be gone. */
function isBack({ topics: _, ...now }, { topics: __, ...before }) {
  return Object.keys(before).every((name) => now[name] <= before[name]);
}

async function eventually(what, test, why = () => '') {
  const until = performance.now() + SETTLE_MS;
  while (!(await test())) {
    if (performance.now() > until) throw new Error(`not within ${SETTLE_MS} ms: ${what}; ${why()}`);
    await pass(200);
  }
}

function grown(name, before, held) {
  const last = held.at(-1);
  const first = held[0] ?? before;
  return Object.entries(MORE)
    .filter(([what, more]) => last[what] > first[what] + more)
    .map(
      ([what]) =>
        `${name}: ${what} grew from ${first[what]} to ${last[what]} in ${held.length - 1} rounds ` +
        `(${JSON.stringify(first.heaps)} to ${JSON.stringify(last.heaps)})`,
    );
}

function shown({ descriptors, threads, heap, rss, rows }) {
  const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return `heap ${mib(heap)}, rss ${mib(rss)}, ${descriptors} fds, ${threads} threads, ${JSON.stringify(rows)}`;
}

/** @returns {{ names: string[] } & import('commander').OptionValues} */
function readOptions() {
  const command = program(
    'node fuzz/faults/storms.js',
    'Storms of clients, topics and ids, after which tables and memory return.',
  )
    .addArgument(namesArgument('storm', SIZES))
    .option('--scale <n>', 'plays storms of so many times the size', positive, 1)
    .option('--rounds <n>', 'plays each so often', positive, 3)
    .option('--leak', 'lets the server leak, which has to be found')
    .option(...DIR)
    .parse();
  return { ...command.opts(), names: command.processedArgs[0] };
}
