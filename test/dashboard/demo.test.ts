/** One run of the real demo on a real server, and what each screen says of it. */
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer, temporaryDirectory } from '../cli/support/command.js';
import { type DemoResult, endOfDemo, growTree, startDemo } from '../examples/support/demo.js';
import { neededCommand } from '../support/needed-command.js';
import { type Dashboard, openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'the dashboard in a browser');

const FILES = 60;
const WORKERS = 2;
/** Slow enough for the page to see the demo at work. */
const FILES_PER_SECOND = 8;
/** One for each file, and those of `growTree`: a secret, two large files, and two that are equal. */
const FINDINGS = FILES + 4;

async function overview(dashboard: Dashboard): Promise<void> {
  await dashboard.goTo('overview');
  await dashboard.shows('Alert crashes fires', '.problems');
  await dashboard.shows('Events in', '.tiles');
  // The page draws the charts once their library is there and two samples have come.
  await until(
    'the charts are drawn',
    async () => (await dashboard.page.$$('.charts canvas')).length > 5,
  );
}

async function stream(dashboard: Dashboard): Promise<void> {
  await dashboard.goTo('stream?in=history&topic=findings.*&search=payload.path+~+key.txt');
  await dashboard.shows('findings.secret', '.stream-list');
  await dashboard.shows('1', '.counts');
  await dashboard.page.locator('.stream-list [role=option]').click();
  await dashboard.shows('finding_new', '.event-drawer h2');
  await dashboard.shows('key.txt', '.event-drawer');
  await dashboard.page.keyboard.press('Escape');
}

async function trace(dashboard: Dashboard, result: DemoResult): Promise<void> {
  await dashboard.goTo('trace');
  await dashboard.page.locator('.recent-runs a').click();
  await dashboard.shows(`${result.live.events} events`, '.run-summary');
  for (const source of ['scan-pool', 'scanner-1', 'scanner-2']) {
    await dashboard.shows(source, '.lane-names');
  }
  await dashboard.shows('worker_spawned', '.run-tree');
}

async function topics(dashboard: Dashboard, result: DemoResult): Promise<void> {
  await dashboard.goTo('topics?find=findings.');
  for (const [topic, count] of Object.entries(result.live.topics)) {
    if (topic.startsWith('findings.')) {
      const row = `.tree-row:has(a[title="${topic}"])`;
      await dashboard.shows(String(count), row);
    }
  }
}

async function publishAgain(dashboard: Dashboard): Promise<void> {
  await dashboard.goTo('stream?topic=findings.secret&from=earliest');
  await dashboard.shows('findings.secret', '.stream-list');
  await dashboard.page.locator('.stream-list [role=option]').click();
  await dashboard.shows('key.txt', '.event-drawer');
  await dashboard.press('Publish again …');
  await until('the form has the event', async () =>
    (
      await dashboard.page.$eval('textarea', (field) => String(Reflect.get(field, 'value')))
    ).includes('key.txt'),
  );
  await dashboard.page.locator('.publish-form .primary').click();
  await dashboard.shows('published', '.outcome');
}

async function alerts(dashboard: Dashboard): Promise<void> {
  await dashboard.goTo('alerts');
  await dashboard.shows('firing', '.rules .state');
  await dashboard.shows('any worker_failed on worker.*', '.rules');
}

describe.runIf(chromium !== undefined)('the dashboard beside the demo', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it('shows the demo at work, its crash as an alert, and its run on every screen', async () => {
    const server = await startServer();
    await server.run(['alerts', 'set', 'crashes', 'any worker_failed on worker.*']);
    const dashboard = await openDashboard(browser, server.url, 'subscribers');
    const live = await openDashboard(browser, server.url, 'stream?topic=findings.*');
    await live.shows('Live', '.tail-state');
    // A hidden page asks for nothing.
    await dashboard.page.bringToFront();
    const tree = growTree(temporaryDirectory(), FILES);
    const rate = ['--workers', String(WORKERS), '--rate', String(FILES_PER_SECOND)];
    const run = startDemo(tree, '--connect', server.url, ...rate, '--json');
    await dashboard.shows('live totals', '.subscribers');
    const { code, result } = await endOfDemo(run);
    expect(result.wrong).toEqual([]);
    expect(code).toBe(0);
    await live.page.bringToFront();
    await live.shows(String(FINDINGS), '.counts .matched');
    await dashboard.page.bringToFront();
    await overview(dashboard);
    await stream(dashboard);
    await trace(dashboard, result);
    await topics(dashboard, result);
    await alerts(dashboard);
    await publishAgain(dashboard);
    expect([...dashboard.faults, ...live.faults]).toEqual([]);
    await live.close();
    await dashboard.close();
  });
});
