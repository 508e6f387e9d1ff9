/**
 * Opens one run (all events of a correlation id) out of many events, by bus.query, and looks for an id that is not
 * there, a rare type and a rare source. Each figure is of a first query, in a process of its own that has just opened
 * the bus, and of the queries after it. The answers are checked.
 *
 * The directory is filled through the shards' logs, without rings, and stays: a second start uses it again. With
 * `--build` the queries run in another build, which shows what they cost there.
 *
 * node bench/open-one-run.js --dir data/runs [--events 10000000] [--shards 2] [--processes 5] [--settle MS] [--build DIR]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { check, median } from './harness.js';
import { fillOnce, idOfRun, RARE_EVERY, RARE_PLACE, RUN_EVENTS } from './many-runs.js';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: 'data/runs' },
    events: { type: 'string', default: '10000000' },
    shards: { type: 'string', default: '2' },
    processes: { type: 'string', default: '5' },
    /** How long the bus is open before the first query, ms. */
    settle: { type: 'string', default: '0' },
    warm: { type: 'string', default: '20' },
    build: { type: 'string', default: fileURLToPath(new URL('..', import.meta.url)) },
    child: { type: 'boolean', default: false },
  },
});
const dir = resolve(values.dir);
const [events, shards, processes, warm] = [
  values.events,
  values.shards,
  values.processes,
  values.warm,
].map(Number);

/** The queries, each with the number of events that it must find. */
function questions() {
  const runs = Math.floor(events / RUN_EVENTS);
  const rare = Math.ceil((events - RARE_PLACE) / RARE_EVERY);
  return {
    // Shows what the first query of a process costs in any case: the threads that read history start.
    'a topic that is not there': [{ topic: 'nowhere' }, 0],
    'a run of 200 events': [{ correlationIds: [idOfRun(Math.floor(runs / 3))] }, RUN_EVENTS],
    'a run that is not there': [{ correlationIds: ['run-of-nobody'] }, 0],
    'a rare type': [{ types: ['payment_refused'] }, rare],
    'a type that is not there': [{ types: ['never_published'] }, 0],
    'a rare source': [{ sources: ['auditor'] }, rare],
  };
}

/** Runs in a process of its own: one question, first and warm. */
async function ask() {
  const entry = pathToFileURL(join(resolve(values.build), 'dist/index.js')).href;
  const { openBus } = await import(entry);
  process.once('message', async (/** @type {{ filter: object, expected: number }} */ question) => {
    const bus = await openBus({ dir });
    await setTimeout(Number(values.settle));
    const times = [];
    for (let n = 0; n <= warm; n++) {
      const started = performance.now();
      const found = await bus.query({ topic: '*', ...question.filter, limit: 1000 });
      times.push(performance.now() - started);
      check(found.length === question.expected, `${found.length} events, not ${question.expected}`);
      if ((times[0] ?? 0) > 1000) break;
    }
    await bus.close();
    process.send?.(times, () => process.disconnect());
  });
}

async function measure() {
  for (const [name, [filter, expected]] of Object.entries(questions())) {
    const first = [];
    const later = [];
    for (let n = 0; n < processes; n++) {
      const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--child']);
      child.send({ filter, expected });
      const [[time, ...times]] = await once(child, 'message');
      await once(child, 'exit');
      first.push(time);
      later.push(...times);
    }
    const p50 = (/** @type {number[]} */ times) =>
      times.length === 0 ? '-' : `${median(times).toFixed(1)} ms`;
    console.log(`${name.padEnd(28)} first ${p50(first).padStart(10)}  later ${p50(later)}`);
  }
}

if (values.child) await ask();
else {
  fillOnce(dir, { events, shards });
  console.log(`cores ${cpus().length}, ${events} events, ${shards} shards, p50 of ${processes}`);
  await measure();
}
