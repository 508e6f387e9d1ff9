import { setTimeout as sleep } from 'node:timers/promises';
import { openBus } from 'millrace';
import { launch } from 'puppeteer-core';
import { check, readOptions, runBench } from './harness.js';

/**
 * What an open dashboard costs a bus with N consumers on which nothing happens: CPU time of the server's process, in
 * percent of one core, and the bytes that its page is sent. The browser is a process of its own, and not counted.
 */

const options = readOptions('The dashboard of a bus with N consumers, on which nothing happens.', {
  consumers: 1000,
  seconds: 20,
});
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** How many consumers are made at once. */
const AT_ONCE = 50;
/** For the page to load its other screens, and for the server to compile what it does again and again. */
const SETTLE_MS = 8000;

/** @type {Readonly<Record<string, string>>} */
const SHOWN = {
  overview: '.problems, .tile dd',
  consumers: '.data-row',
  'consumers?consumer=team0.worker0000': '.facts dd',
};

/** A tenth of the consumers have an event to be done and no member, as an operator would meet them. */
async function fill(/** @type {string} */ dir) {
  const bus = await openBus({ dir, shards: 2 });
  const names = Array.from({ length: options.consumers }, (_, n) => [
    `team${n % 10}.worker${String(n).padStart(4, '0')}`,
    `orders.${n}.*`,
  ]);
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const some = names.slice(from, from + AT_ONCE);
    await Promise.all(some.map(([name, filter]) => bus.consumer(String(name), { filter })));
  }
  const inputs = names
    .filter((_, n) => n % 10 === 0)
    .map((_, n) => ({ topic: `orders.${n * 10}.new`, type: 'order', payload: n }));
  await bus.publishMany(inputs);
  return bus;
}

/** Percent of one core. */
async function busy() {
  const before = process.cpuUsage();
  const started = performance.now();
  await sleep(options.seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 10 / (performance.now() - started);
}

/**
 * @param {import('puppeteer-core').Browser} browser
 * @param {string} url
 * @param {string} place
 */
async function open(browser, url, place) {
  const page = await browser.newPage();
  const session = await page.createCDPSession();
  await session.send('Network.enable');
  let bytes = 0;
  let asked = 0;
  session.on('Network.webSocketFrameReceived', ({ response }) => {
    bytes += response.payloadData.length;
  });
  session.on('Network.webSocketFrameSent', () => {
    asked += 1;
  });
  await page.goto(`${url}/#/${place}`);
  await page.waitForSelector(String(SHOWN[place]));
  await sleep(SETTLE_MS);
  [bytes, asked] = [0, 0];
  const percent = await busy();
  const kib = (bytes / 1024 / options.seconds) * 2;
  check(asked > 0, `${place} asked for nothing`);
  await page.close();
  const sent = `${kib.toFixed(1)} KiB in 2 s, before compression`;
  return { what: place, figure: `${percent.toFixed(1)} %`, note: sent };
}

await runBench('dashboard-consumers', { ...options, cores: 2 }, async (bench) => {
  const bus = await fill(bench.directory());
  const gateway = await bus.serve({ port: 0 });
  const browser = await launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    await sleep(SETTLE_MS);
    const lines = [{ what: 'no page', figure: `${(await busy()).toFixed(1)} %`, note: '' }];
    for (const place of Object.keys(SHOWN)) lines.push(await open(browser, gateway.url, place));
    bench.report(lines);
  } finally {
    await browser.close();
    await bus.close();
  }
});
