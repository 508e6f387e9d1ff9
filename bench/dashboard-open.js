import hdr from 'hdr-histogram-js';
import { openBus } from 'millrace';
import { launch } from 'puppeteer-core';
import { check, readOptions, runBench } from './harness.js';

/**
 * How long a browser with an empty cache takes from the address of the dashboard to a screen that shows figures of the
 * bus, and how many bytes that costs. The server has events to show; browser and server share the machine.
 */

const options = readOptions('Opens the dashboard in a fresh browser profile, again and again.', {
  rounds: 10,
  events: 100_000,
});
/** The bound of the first load, bytes on the wire. */
const BYTES_MAX = 120 * 1024;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/**
 * @param {import('puppeteer-core').Browser} browser
 * @param {string} url
 */
async function openOnce(browser, url) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const session = await page.createCDPSession();
  await session.send('Network.enable');
  let bytes = 0;
  session.on('Network.loadingFinished', ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  const started = performance.now();
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  await page.waitForFunction("document.querySelector('.screen-overview dd')?.innerText", {
    polling: 'raf',
  });
  const ms = performance.now() - started;
  const first = bytes;
  await context.close();
  return { ms, bytes: first };
}

await runBench('dashboard-open', { ...options, cores: 2 }, async (bench) => {
  const bus = await openBus({ dir: bench.directory(), shards: 2 });
  const inputs = Array.from({ length: 1000 }, (_, n) => ({
    topic: `orders.${n % 100}`,
    type: 'note',
    payload: { n, text: 'x'.repeat(100) },
  }));
  for (let sent = 0; sent < options.events; sent += inputs.length) {
    await bus.publishMany(inputs, { durability: 'written' });
  }
  const gateway = await bus.serve({ port: 0 });
  const browser = await launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  const times = hdr.build({ numberOfSignificantValueDigits: 3 });
  let most = 0;
  try {
    await openOnce(browser, `${gateway.url}/`);
    for (let round = 0; round < options.rounds; round++) {
      const { ms, bytes } = await openOnce(browser, `${gateway.url}/`);
      times.recordValue(Math.round(ms));
      most = Math.max(most, bytes);
    }
  } finally {
    await browser.close();
    await bus.close();
  }
  check(most > 0 && most <= BYTES_MAX, `the first load took ${most} bytes`);
  bench.report([
    { what: 'opened, p50', figure: `${times.getValueAtPercentile(50)} ms` },
    { what: 'opened, longest', figure: `${times.maxValue} ms`, note: `of ${options.rounds}` },
    { what: 'first load', figure: `${(most / 1024).toFixed(1)} KiB`, note: 'on the wire' },
  ]);
});
