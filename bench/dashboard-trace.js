import { join } from 'node:path';
import hdr from 'hdr-histogram-js';
import { openBus } from 'millrace';
import { launch } from 'puppeteer-core';
import { check, readOptions, runBench } from './harness.js';
import { fillOnce, idOfRun, RUN_EVENTS } from './many-runs.js';

/**
 * How long the dashboard takes to open one run out of many events: from the change of its address to the frame that
 * shows the run's events in time and by cause. Each round opens another run. The directory is that of `open-one-run`
 * with the same `--dir`, and stays.
 */

const options = readOptions('Opens runs in the Trace of the dashboard, one after the other.', {
  events: 200_000,
  shards: 2,
  rounds: 20,
});
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/**
 * Runs in the page: goes to a run, and tells how long it took until it was drawn.
 * @param {string} id
 */
const openRun = (id) => `new Promise((resolve) => {
  const started = performance.now();
  location.hash = '#/trace?correlationId=${id}';
  const look = () => {
    const summary = document.querySelector('.run-summary')?.innerText ?? '';
    const isThere = summary.includes('${id}') || document.querySelector('.run-field input')?.value === '${id}';
    const isDrawn = isThere && summary.includes('${RUN_EVENTS} events') &&
      document.querySelector('.run-tree [role=treeitem]') !== null &&
      document.querySelector('.lane-names')?.innerText;
    if (isDrawn) setTimeout(() => resolve(performance.now() - started));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})`;

await runBench('dashboard-trace', { ...options, cores: 2 }, async (bench) => {
  const dir = join(options.dir, `runs-${options.events}`);
  fillOnce(dir, { events: options.events, shards: options.shards });
  const bus = await openBus({ dir });
  const gateway = await bus.serve({ port: 0 });
  const browser = await launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  const times = hdr.build({ numberOfSignificantValueDigits: 3 });
  const runs = Math.floor(options.events / RUN_EVENTS);
  let first = 0;
  try {
    const page = await browser.newPage();
    await page.goto(`${gateway.url}/#/trace`);
    await page.waitForSelector('.recent-runs a');
    for (let round = 0; round <= options.rounds; round++) {
      const run = Math.floor(((round + 0.5) * runs) / (options.rounds + 1));
      const ms = Number(await page.evaluate(openRun(idOfRun(run))));
      if (round === 0) first = ms;
      else times.recordValue(Math.round(ms));
    }
  } finally {
    await browser.close();
    await bus.close();
  }
  check(times.totalCount === options.rounds, `${times.totalCount} rounds were measured`);
  const ms = (/** @type {number} */ figure) => `${figure.toFixed(0)} ms`;
  bench.report([
    { what: 'events', figure: String(options.events), note: `of ${runs} runs` },
    {
      what: 'the first run',
      figure: ms(first),
      note: 'the threads that read history start with it',
    },
    { what: 'a run, p50', figure: ms(times.getValueAtPercentile(50)) },
    { what: 'a run, longest', figure: ms(times.maxValue), note: `of ${options.rounds}` },
  ]);
});
