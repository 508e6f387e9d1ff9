import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../../../dist/client.js';
import { until } from '../../../bus/support/wait.js';
import { startServer } from '../../../cli/support/command.js';
import { neededCommand } from '../../../support/needed-command.js';
import { addToRun, publishAgentRun } from '../../support/agent-run.js';
import { type Dashboard, openDashboard, openDashboardBrowser } from '../../support/dashboard.js';

const chromium = neededCommand('chromium', 'a run in a browser');

const TREE = '.run-tree';

async function press(dashboard: Dashboard, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await dashboard.page.keyboard.press(key as 'Enter');
}

describe.runIf(chromium !== undefined)('the trace', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  it('offers the recent runs, and shows one in time and by cause, with its texts joined', async () => {
    const server = await startServer();
    const { answer, events } = await publishAgentRun(server.url, 'run-42');
    const dashboard = await openDashboard(browser, server.url, 'trace');
    await dashboard.shows('run-42', '.recent-runs');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('trace-recent');
    await dashboard.press('run-42');
    await dashboard.shows(`${events} events`, '.run-summary');
    await dashboard.shows('6 sources', '.run-summary');
    await dashboard.shows('Live', '.run-summary');
    for (const source of ['ada', 'planner', 'searcher', 'writer', 'model', 'billing']) {
      await dashboard.shows(source, '.lane-names');
    }
    await dashboard.shows('cause not in this run', TREE);
    await dashboard.shows('pieces', TREE);
    await dashboard.page.locator(`${TREE} .run-row ::-p-text(chat_token)`).click();
    await dashboard.shows(answer, '.run-text');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.picture('trace');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('is walked by the keyboard, in time and by cause, and opens an event', async () => {
    const server = await startServer();
    await publishAgentRun(server.url, 'run-42');
    const dashboard = await openDashboard(browser, server.url, 'trace?correlationId=run-42');
    await dashboard.shows('Live', '.run-summary');
    await dashboard.page.focus('.timeline-scroll');
    await press(dashboard, 'Home');
    await dashboard.shows('user_input', '.readout');
    await press(dashboard, 'ArrowRight', 'ArrowRight');
    await dashboard.shows('task_created', '.readout');
    await dashboard.shows('+95 ms', '.readout');
    await press(dashboard, 'ArrowDown');
    await dashboard.shows('task_started', '.readout');
    const axis = (): Promise<string> => dashboard.text('.timeline-axis');
    const whole = await axis();
    await press(dashboard, '+', '+', '+');
    await until('the axis is finer', async () => (await axis()) !== whole);
    await dashboard.page.keyboard.down('Shift');
    await press(dashboard, 'ArrowRight');
    await dashboard.page.keyboard.up('Shift');
    await press(dashboard, '0');
    await until('the axis is whole again', async () => (await axis()) === whole);
    await press(dashboard, 'Enter');
    await dashboard.shows('task_started', '.event-drawer h2');
    await press(dashboard, 'Escape');
    await dashboard.page.focus(`${TREE} .virtual`);
    await press(dashboard, 'Home', 'ArrowDown');
    await dashboard.shows('workflow_started', `${TREE} [aria-selected="true"]`);
    const rows = (): Promise<number> =>
      dashboard.page.$$eval(`${TREE} [role="treeitem"]`, (found) => found.length);
    const all = await rows();
    await press(dashboard, 'ArrowLeft');
    await until('what it caused is hidden', async () => (await rows()) < all);
    await press(dashboard, 'ArrowRight');
    await until('what it caused is back', async () => (await rows()) === all);
    await press(dashboard, 'Enter');
    await dashboard.shows('workflow_started', '.event-drawer h2');
    expect(await dashboard.barriers()).toEqual([]);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('goes on growing while it is watched, also after the connection was lost', async () => {
    const server = await startServer();
    const dashboard = await openDashboard(browser, server.url, 'trace');
    await dashboard.fill('Correlation id', 'run-7');
    await dashboard.press('Open');
    await dashboard.shows('no event with this correlation id');
    const first = connect(server.url);
    await addToRun(first, 'run-7', 'agent_started');
    await dashboard.shows('agent_started', TREE);
    await first.close();
    await server.stop('SIGKILL');
    await dashboard.shows('Waiting for the server', '.run-summary');
    const again = await startServer(server.dir, ['--port', String(server.port)]);
    await using second = connect(again.url);
    await addToRun(second, 'run-7', 'agent_completed');
    await dashboard.shows('agent_completed', TREE);
    await dashboard.shows('2 events', '.run-summary');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('tells of ephemeral events that were too many while the page stood still', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    await addToRun(client, 'busy', 'agent_started');
    const dashboard = await openDashboard(browser, server.url, 'trace?correlationId=busy');
    await dashboard.shows('Live', '.run-summary');
    const session = await dashboard.page.createCDPSession();
    await session.send('Debugger.enable');
    await session.send('Debugger.pause');
    const event = { topic: 'm', type: 'agent_metric', correlationId: 'busy', payload: 1 };
    const events = Array.from({ length: 2000 }, () => event);
    await until('the server has dropped some', async () => {
      await client.publishMany(events, { persist: false });
      return (await client.stats()).dropped > 0;
    });
    await session.send('Debugger.resume');
    await dashboard.shows('of this run did not come here', '.trace');
    await dashboard.shows('Live', '.run-summary');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows the first events of a long run, and goes on counting', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const event = { type: 'agent_metric', source: 'a', correlationId: 'long', payload: 1 };
    const events = Array.from({ length: 10_020 }, (_, n) => ({ ...event, topic: `m.${n % 3}` }));
    for (let at = 0; at < events.length; at += 2000) {
      await client.publishMany(events.slice(at, at + 2000), { durability: 'written' });
    }
    const dashboard = await openDashboard(browser, server.url, 'trace?correlationId=long');
    await dashboard.shows('the first 10,000 of 10,020 events', '.run-summary');
    await client.publish({ ...event, topic: 'm.1' });
    await dashboard.shows('the first 10,000 of 10,021 events', '.run-summary');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
