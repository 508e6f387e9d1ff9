import { openBus } from 'millrace';
import { launch } from 'puppeteer-core';
import { check, Latencies, readOptions, runBench } from './harness.js';

/**
 * The Topics screen of the dashboard with N topics: how often the page asks for the list while it opens, and how long a
 * key takes from the browser's own time stamp of the input to the frame drawn after its handlers. Keys are pressed in
 * the tree, in the field that finds topics, and to open and close a branch of N / 10 topics.
 */

const options = readOptions('The Topics screen of the dashboard with N topics.', {
  topics: 100_000,
  keys: 30,
});
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const BATCH = 10_000;
/** Longer than the page waits before it asks again for a short list. */
const OPEN_MS = 5000;

/** Runs in the page: notes how long each key takes until the frame behind it is drawn. */
const WATCH_KEYS = `
  globalThis.keys = [];
  document.addEventListener('keydown', (event) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => keys.push(performance.now() - event.timeStamp);
      port2.postMessage(undefined);
    });
  }, true);
`;

/** @param {string} dir */
async function fill(dir) {
  const bus = await openBus({ dir, shards: 2 });
  for (let from = 0; from < options.topics; from += BATCH) {
    const inputs = Array.from({ length: Math.min(BATCH, options.topics - from) }, (_, n) => {
      const number = String(from + n).padStart(6, '0');
      return { topic: `tenant${number.at(-1)}.device.${number}`, type: 'note', payload: 1 };
    });
    await bus.publishMany(inputs, { durability: 'written' });
  }
  return bus;
}

/**
 * @param {import('puppeteer-core').Page} page
 * @param {readonly import('puppeteer-core').KeyInput[]} keys
 */
async function press(page, keys) {
  await page.evaluate('keys.length = 0');
  for (const [n, key] of keys.entries()) {
    await page.keyboard.press(key);
    await page.waitForFunction(`keys.length > ${n}`);
  }
  const times = new Latencies();
  for (const ms of /** @type {number[]} */ (await page.evaluate('keys'))) times.recordMs(ms);
  return times;
}

/** @param {string} what @param {Latencies} times */
function line(what, times) {
  const ms = (/** @type {number} */ percentile) => (times.at(percentile) / 1000).toFixed(0);
  return { what, figure: `p50 ${ms(50)} ms`, note: `most ${ms(100)} ms  ${times.count} keys` };
}

/** @param {import('puppeteer-core').Page} page */
async function measureKeys(page) {
  await page.evaluate(WATCH_KEYS);
  await page.focus('[role=tree]');
  const opened = await press(page, ['Home', ...Array(4).fill('ArrowRight'), 'Home']);
  const arrows = await press(page, Array(options.keys).fill('ArrowDown'));
  await press(page, ['Home']);
  const toggles = await press(page, Array(6).fill(['ArrowLeft', 'ArrowRight']).flat());
  await page.focus('input[type=search]');
  const found = await press(page, ['d', 'e', 'v', 'i', 'c', 'e', '.', '0', '9', '9']);
  return [
    line('branches opened', opened),
    line('arrow key → frame', arrows),
    line('branch of N / 10', toggles),
    line('letter in Find', found),
  ];
}

await runBench('dashboard-topics', { ...options, cores: 2 }, async (bench) => {
  const bus = await fill(bench.directory());
  const gateway = await bus.serve({ port: 0 });
  const browser = await launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    const page = await browser.newPage();
    const session = await page.createCDPSession();
    await session.send('Network.enable');
    let asked = 0;
    session.on('Network.webSocketFrameSent', ({ response }) => {
      if (response.payloadData.includes('"type":"topics"')) asked++;
    });
    await page.goto(`${gateway.url}/#/topics`);
    await page.waitForFunction(`document.querySelector('.tree-row') !== null`);
    await new Promise((resolve) => setTimeout(resolve, OPEN_MS));
    const lines = await measureKeys(page);
    check(asked > 0, 'the page has not asked for topics');
    bench.report([
      { what: 'asked for the list', figure: `${asked}`, note: 'within 5 s' },
      ...lines,
    ]);
  } finally {
    await browser.close();
    await bus.close();
  }
});
