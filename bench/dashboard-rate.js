import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { launch } from 'puppeteer-core';
import { check, Latencies, perSecond, readOptions, runBench } from './harness.js';

/**
 * The Stream of the dashboard at R events/s: a real server, a real Chromium, and a publisher, each in processes of
 * their own. Every 10 s it measures the page's JavaScript heap after a forced collection. Twice a second it clicks a
 * button; a click lasts from the browser's own time stamp of the input to the frame drawn after its handlers.
 *
 * The page must have looked at every event, and each is in its list or counted as gone from it.
 */

const options = readOptions('The Stream of the dashboard at R events/s.', {
  seconds: 60,
  rate: 10_000,
  sampleSeconds: 10,
});

const CLICK_EVERY_MS = 500;
/** A page that looks at no event for so long, while there are some, has stopped. */
const STANDSTILL_MS = 10_000;
/** Below this the machine is overloaded, and the figures are of another load. */
const RATE_SHARE_MIN = 0.98;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const SERVER = fileURLToPath(new URL('../dist/cli/millrace.js', import.meta.url));
const PUBLISHER = fileURLToPath(new URL('dashboard-publisher.js', import.meta.url));

/** Runs in the page: notes how long each click takes until the frame behind it is drawn. */
const WATCH_CLICKS = `
  globalThis.clicks = [];
  document.addEventListener('click', (event) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => clicks.push(performance.now() - event.timeStamp);
      port2.postMessage(undefined);
    });
  }, true);
`;

/** @param {string} dir */
async function startServer(dir) {
  const child = spawn(process.execPath, [SERVER, 'serve', '--dir', dir, '--port', '0']);
  const url = await new Promise((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const found = /"url":"([^"]+)"/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  return { child, url: /** @type {string} */ (url) };
}

/**
 * @param {import('puppeteer-core').Page} page
 * @param {string} selector
 */
async function numberIn(page, selector) {
  const text = await page.evaluate(
    `document.querySelector(${JSON.stringify(selector)})?.textContent ?? '0'`,
  );
  return Number(String(text).replaceAll(',', ''));
}

/**
 * Measures the heap and clicks until the publisher is done and the page has caught up.
 * @param {import('puppeteer-core').Page} page
 * @param {Promise<unknown>} published
 */
async function watch(page, published) {
  const session = await page.createCDPSession();
  /** @type {number[]} */
  const heaps = [];
  let isOver = false;
  const done = published.finally(() => {
    isOver = true;
  });
  let sampleAt = performance.now() + options.sampleSeconds * 1000;
  while (!isOver) {
    await page.click('.filter-main > button');
    await new Promise((resolve) => setTimeout(resolve, CLICK_EVERY_MS));
    if (performance.now() < sampleAt) continue;
    sampleAt += options.sampleSeconds * 1000;
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    heaps.push(usedSize / 2 ** 20);
  }
  await done;
  return heaps;
}

/**
 * Waits until the page has looked at every event, as long as it looks at more of them.
 * @param {import('puppeteer-core').Page} page
 * @param {number} events
 */
async function caughtUp(page, events) {
  for (let last = -1; ; ) {
    const seen = await numberIn(page, '.counts .matched');
    if (seen === events) return;
    check(seen > last, `the page stands still at ${seen} of ${events} events`);
    last = seen;
    await new Promise((resolve) => setTimeout(resolve, STANDSTILL_MS));
  }
}

/** @param {import('./harness.js').Bench} bench */
async function report(bench) {
  const server = await startServer(bench.directory());
  const browser = await launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  const publisher = fork(PUBLISHER);
  try {
    const page = await browser.newPage();
    await page.goto(`${server.url}/#/stream?from=now`);
    await page.waitForFunction(`document.querySelector('.tail-state')?.textContent === 'Live'`);
    await page.evaluate(WATCH_CLICKS);
    const published = once(publisher, 'message').then(([message]) => message);
    publisher.send({ url: server.url, rate: options.rate, seconds: options.seconds });
    const heaps = await watch(page, published);
    const { events, rate } = await published;
    const behind = events - (await numberIn(page, '.counts .matched'));
    await caughtUp(page, events);
    const skipped = await numberIn(page, '.counts .skipped');
    const clicks = new Latencies();
    for (const ms of /** @type {number[]} */ (await page.evaluate('clicks'))) clicks.recordMs(ms);
    check(skipped === Math.max(0, events - 20_000), `${skipped} of ${events} events left the list`);
    check(clicks.count > 0, 'no click was measured');
    const ms = (/** @type {number} */ percentile) => (clicks.at(percentile) / 1000).toFixed(0);
    const mib = heaps.map((heap) => heap.toFixed(0)).join(' ');
    bench.report([
      {
        what: 'published',
        figure: perSecond(rate),
        note: `${events} events, each seen by the page, which was ${behind} behind when the last was stored`,
      },
      {
        what: 'heap, MiB',
        figure: heaps.at(-1)?.toFixed(0) ?? '-',
        note: `every ${options.sampleSeconds} s: ${mib}`,
      },
      {
        what: 'click → frame',
        figure: `p50 ${ms(50)} ms`,
        note: `p99 ${ms(99)} ms  most ${ms(100)} ms  ${clicks.count} clicks`,
      },
    ]);
    const isSteady = rate >= options.rate * RATE_SHARE_MIN;
    check(isSteady, `the publisher reached ${perSecond(rate)}, not ${perSecond(options.rate)}`);
  } finally {
    publisher.kill();
    await browser.close();
    server.child.kill('SIGKILL');
  }
}

await runBench(
  `dashboard: the Stream at ${options.rate} events/s for ${options.seconds} s`,
  { dir: options.dir, cores: 4 },
  report,
);
