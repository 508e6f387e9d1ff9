/**
 * Takes the pictures of the dashboard that README and docs/DASHBOARD.md show: `node scripts/dashboard-pictures.js`
 * after a build, with the names of some to take these alone. It serves a bus in a temporary directory, publishes the events of a small agent platform, and opens
 * each screen in Chromium.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openBus } from 'millrace';
import { launch } from 'puppeteer-core';

const PICTURES = fileURLToPath(new URL('../docs/images/', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** The names of the pictures to take; none: all. */
const ONLY = process.argv.slice(2);
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780, deviceScaleFactor: 2 };
/** Long enough for charts that have a shape. */
const LIVE_MS = Number(process.env.LIVE_MS ?? 60_000);
const TICK_MS = 40;

const WORDS =
  'The failing test waits for an event that the worker publishes after it has closed its log. ' +
  'Publishing before the close makes the order right.';

/** @param {import('millrace/client').BusApi} bus */
async function publishRun(bus) {
  const correlationId = `run-${Date.now().toString(36)}`;
  /** @type {(topic: string, type: string, payload: unknown, more?: object) => Promise<string>} */
  const say = async (topic, type, payload, more = {}) => {
    const input = { topic, type, payload, correlationId, source: 'planner', ...more };
    const { id } = await bus.publish(input);
    await sleep(15);
    return id;
  };
  const asked = await say(
    'chat.room1.user',
    'user_input',
    { text: 'Why does the test fail?' },
    {
      source: 'ada',
    },
  );
  const planned = await say(
    'agent.planner.status',
    'agent_started',
    { goal: 'find the cause' },
    {
      causationId: asked,
    },
  );
  for (const [agent, file] of [
    ['reader', 'src/worker.ts'],
    ['tester', 'test/worker.test.ts'],
  ]) {
    const more = { source: agent, causationId: planned, attributes: { agentId: String(agent) } };
    const task = await say(`task.${agent}.started`, 'task_started', { file, lines: 214 }, more);
    const done = { ...more, causationId: task };
    await say(`task.${agent}.progress`, 'task_progress', { file, done: 0.5 }, done);
    await say(`task.${agent}.completed`, 'task_completed', { file, findings: 1, ok: true }, done);
  }
  const answered = await say(
    'agent.planner.status',
    'agent_status_changed',
    { to: 'answering' },
    {
      causationId: planned,
    },
  );
  for (const word of WORDS.split(/(?<= )/)) {
    const input = {
      topic: 'chat.room1.answer',
      type: 'chat_message',
      payload: { delta: word },
      source: 'planner',
      correlationId,
      causationId: answered,
    };
    await bus.publish(input);
  }
  await say(
    'agent.planner.status',
    'agent_completed',
    { tokens: 31, ms: 812 },
    {
      causationId: planned,
    },
  );
  return correlationId;
}

/** @param {import('millrace/client').BusApi} bus */
async function publishSteadily(bus) {
  const end = Date.now() + LIVE_MS;
  for (let tick = 0; Date.now() < end; tick++) {
    const wave = 4 + Math.round(3 * Math.sin(tick / 150));
    const inputs = Array.from({ length: wave }, (_, n) => ({
      topic: `orders.eu.${['created', 'paid', 'packed', 'sent'][(tick + n) % 4]}`,
      type: 'order_changed',
      source: `shop-${n % 3}`,
      payload: {
        order: 10_000 + tick,
        total: ((tick * 37 + n * 11) % 9000) / 100,
        currency: 'EUR',
      },
    }));
    await bus.publishMany(inputs);
    await sleep(TICK_MS);
  }
}

/** Answers of a mail server, as a worker passes them on. */
const REFUSALS = [
  '550 5.1.1 ada@example.com: no such mailbox',
  '552 5.2.2 shop@example.org: mailbox full',
  '554 5.7.1 the sender is on the list of example.net',
];

/**
 * Workers for the orders: some are quick, one gives events up, one has refused events that hold others of their order,
 * one is paused, and one has nobody who works for it.
 * @param {import('millrace').Bus} bus
 */
async function startWorkers(bus) {
  const filter = 'orders.eu.*';
  const billing = await bus.consumer('billing', { filter, order: 'source', maxAttempts: 8 });
  billing.run(() => sleep(2), { name: 'billing-1', concurrency: 3 });
  billing.run(() => sleep(2), { name: 'billing-2', concurrency: 3 });
  const mailer = await bus.consumer('mailer', {
    filter: 'orders.eu.sent',
    deadLetter: 'dead.mailer',
  });
  let sent = 0;
  /** @type {import('millrace').DeliveryHandler} */
  const send = async (delivery) => {
    sent += 1;
    if (sent % 60 === 7)
      await delivery.term(String(REFUSALS[Math.floor(sent / 60) % REFUSALS.length]));
  };
  for (const name of ['mailer-1', 'mailer-2', 'mailer-3']) mailer.run(send, { name });
  const stock = await bus.consumer('stock', { filter: 'orders.eu.packed', order: 'source' });
  stock.run(
    () => {
      throw new Error('the warehouse does not answer');
    },
    { name: 'stock-1' },
  );
  const search = await bus.consumer('search.index', { filter, priority: ['orders.eu.created'] });
  search.run(() => {}, { name: 'indexer', concurrency: 16 });
  const reports = await bus.consumer('reports.daily', { filter: 'orders.eu.paid' });
  await reports.pause();
  await bus.consumer('loyalty', { filter: 'orders.eu.paid' });
}

/** Every chart is drawn, and the tiles have figures. */
const CHARTS = `document.querySelectorAll('.charts canvas').length === 9 && document.querySelector('.tile dd')?.innerText !== ''`;

/**
 * An expression that holds once at least so many elements are there.
 * @param {string} selector
 * @param {number} least
 */
function countOf(selector, least) {
  return `document.querySelectorAll(${JSON.stringify(selector)}).length >= ${least}`;
}

/**
 * @param {import('puppeteer-core').Browser} browser
 * @param {string} address
 * @param {string} name
 * @param {{ shows: string, viewport?: typeof WIDE, theme?: string, before?: (page: import('puppeteer-core').Page) => Promise<void> }} how
 *   `shows`: an expression that holds in the page once the screen has what it is to show
 */
async function take(browser, address, name, { shows, viewport = WIDE, theme = 'light', before }) {
  if (ONLY.length > 0 && !ONLY.includes(name)) return;
  const page = await browser.newPage();
  await page.setViewport(viewport);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
  await page.goto(address, { waitUntil: 'load' });
  await page.waitForSelector('.connection.is-live');
  await page.waitForFunction(shows);
  await before?.(page);
  // What was waited for has been drawn.
  await page.evaluate(
    'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))',
  );
  await page.screenshot({ path: `${PICTURES}${name}.webp`, type: 'webp', quality: 82 });
  await page.close();
}

mkdirSync(PICTURES, { recursive: true });
const dir = mkdtempSync(join(tmpdir(), 'millrace-pictures-'));
const bus = await openBus({
  dir,
  shards: 2,
  retention: [{ pattern: 'orders.*', maxAgeMs: 604_800_000 }],
});
const gateway = await bus.serve({ port: 0, environment: 'staging' });
const browser = await launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
});
try {
  const at = (/** @type {string} */ place) => `${gateway.url}/#/${place}`;
  bus.subscribe('orders.*', () => {}, { name: 'billing' });
  bus.subscribe('task.*', () => {}, { name: 'scheduler' });
  await bus.setAlert({
    name: 'orders-stalled',
    when: 'no event on orders.* for 5 min',
    severity: 'critical',
  });
  await bus.setAlert({ name: 'busy', when: 'rate on orders.* over 20/s for 10 s' });
  await bus.setAlert({ name: 'task-failed', when: 'any task_failed on task.*' });
  await startWorkers(bus);
  const steady = publishSteadily(bus);
  // Awaited below; the bus is closed before its end if a picture fails.
  steady.catch(() => {});
  await sleep(LIVE_MS / 2);
  const run = await publishRun(bus);
  await take(browser, at('overview'), 'dashboard-overview', { shows: CHARTS });
  await take(browser, at('stream?from=last:300'), 'dashboard-stream', {
    theme: 'dark',
    shows: countOf('.stream-row', 10),
    before: async (page) => {
      await page.$$eval('.stream-row', (rows) => {
        /** @type {any} */ (rows[Math.floor(rows.length / 2)]).click();
      });
      await page.waitForSelector('.event-drawer .event-body');
    },
  });
  await take(browser, at(`trace?correlationId=${run}`), 'dashboard-trace', {
    shows: countOf('.run-tree [role=treeitem]', 5),
  });
  await take(browser, at('topics'), 'dashboard-topics', {
    viewport: PHONE,
    theme: 'dark',
    // Rates are those since the list before.
    shows: `[...document.querySelectorAll('.tree-row .rate')].some((one) => Number.parseFloat(one.innerText) > 0)`,
  });
  await take(browser, at('subscribers'), 'dashboard-subscribers', {
    shows: `${countOf('[aria-label="Subscriptions"] .data-row', 2)} && ${countOf('[aria-label="Connections"] .data-row', 1)}`,
  });
  await take(browser, at('consumers'), 'dashboard-consumers', {
    shows: `${countOf('[aria-label="Consumers"] .data-row', 6)} && ${countOf('.troubled dt', 3)}`,
  });
  await take(browser, at('consumers?consumer=mailer'), 'dashboard-consumer', {
    theme: 'dark',
    viewport: { width: 1280, height: 1100 },
    shows: countOf('[aria-labelledby="dead-title"] tbody tr', 3),
  });
  await take(browser, at('alerts'), 'dashboard-alerts', {
    viewport: PHONE,
    shows: countOf('.rule', 3),
  });
  await steady;
} finally {
  await browser.close();
  await bus.close();
  rmSync(dir, { recursive: true, force: true });
}
