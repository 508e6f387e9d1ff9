import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { startServer, temporaryDirectory } from '../cli/support/command.js';
import { describeScreen } from './support/screen.js';

const FAILED = { topic: 'worker.1', type: 'worker_failed', payload: { reason: 'disk' } };

describeScreen('the alerts', ({ open, clientOf }) => {
  it('makes a rule with its faults shown as typed, and tells on every screen when it fires', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const dashboard = await open(server, 'alerts');
    await dashboard.shows('No rule watches the bus', '.alerts');
    await dashboard.press('New rule');
    await dashboard.fill('Name', 'failures');
    await dashboard.fill('Fires when', 'any worker_failed in worker.*');
    await dashboard.shows('"on" is missing before "in"', '#rule-when-fault');
    await dashboard.picture('alert-rule');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.fill('Fires when', 'any worker_failed on worker.*');
    await until('the fault is gone', async () => !(await dashboard.page.$('#rule-when-fault')));
    await dashboard.press('Save the rule');
    await dashboard.shows('any worker_failed on worker.*', '.rules');
    await dashboard.shows('ok', '.rules .state');
    await dashboard.goTo('overview');
    await dashboard.shows('All is well', '.overview');
    await client.publish(FAILED);
    await dashboard.shows('Alert failures fires', '.problems');
    await dashboard.shows('1', '.side .count');
    expect(await dashboard.page.title()).toBe('(1) Overview · Millrace');
    await dashboard.page.locator('.problem a').click();
    await dashboard.shows('firing', '.rules .state');
    await dashboard.shows('1 event', '.rules .measured');
    await dashboard.shows('failures', '.transitions');
    await client.setAlert({
      name: 'behind',
      when: 'lag over 10000 for 30 s',
      severity: 'critical',
    });
    await client.setAlert({ name: 'orders-quiet', when: 'no event on orders.* for 5 min' });
    await dashboard.shows('orders-quiet', '.rules');
    await dashboard.picture('alerts');
    expect(await dashboard.barriers()).toEqual([]);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('edits a rule, and removes it after a question that names it', async () => {
    const server = await startServer();
    const client = clientOf(server);
    await client.setAlert({ name: 'behind', when: 'lag over 10' });
    const dashboard = await open(server, 'alerts');
    await dashboard.press('Edit behind');
    await dashboard.fill('Fires when', 'lag over 500 for 1 min');
    await dashboard.press('Save the rule');
    await dashboard.shows('lag over 500 for 1 min', '.rules code');
    const { alerts } = await client.alerts();
    expect(alerts.map(({ name, text }) => [name, text])).toEqual([
      ['behind', 'lag over 500 for 1 min'],
    ]);
    await dashboard.press('Remove behind');
    await dashboard.shows('behind', 'dialog');
    expect(await dashboard.barriers()).toEqual([]);
    await dashboard.press('Remove the rule');
    await dashboard.shows('No rule watches the bus', '.alerts');
    expect((await client.alerts()).alerts).toEqual([]);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('gives the focus back when a form or a question is left, and replaces no rule by a new one', async () => {
    const server = await startServer();
    await clientOf(server).setAlert({ name: 'behind', when: 'lag over 10' });
    const dashboard = await open(server, 'alerts');
    const focused = (name: string) =>
      until(`${name} has the focus`, async () => {
        const script = 'document.activeElement?.ariaLabel ?? document.activeElement?.innerText';
        return (await dashboard.page.evaluate(script)) === name;
      });
    await dashboard.press('New rule');
    await dashboard.fill('Name', 'behind');
    await dashboard.shows('There is a rule of this name', '#rule-name-fault');
    await dashboard.press('Cancel');
    await focused('New rule');
    await dashboard.press('Edit behind');
    await dashboard.press('Save the rule');
    await focused('Edit behind');
    await dashboard.press('Remove behind');
    await dashboard.press('Cancel');
    await focused('Remove behind');
    await dashboard.press('Remove behind');
    await dashboard.press('Remove the rule');
    await dashboard.shows('No rule watches the bus', '.alerts');
    await until('the screen has the focus', async () =>
      dashboard.page.evaluate('document.activeElement?.id === "screen"').then(Boolean),
    );
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('goes on to count what fires when the server comes back with another data directory', async () => {
    const first = await startServer();
    const dashboard = await open(first, 'topics');
    await dashboard.shows('Live', '.connection');
    await first.stop('SIGKILL');
    await dashboard.shows('Not connected', '.connection');
    const second = await startServer(temporaryDirectory(), ['--port', String(first.port)]);
    await dashboard.shows('Live', '.connection');
    const client = clientOf(second);
    await client.setAlert({ name: 'failures', when: 'any worker_failed on worker.*' });
    await client.publish(FAILED);
    await dashboard.shows('1', '.side .count');
    await dashboard.close();
  });

  it('shows the rules of the configuration as fixed', async () => {
    const dir = temporaryDirectory();
    const config = `${dir}/millrace.json`;
    writeFileSync(config, JSON.stringify({ alerts: [{ name: 'behind', when: 'lag over 10' }] }));
    const server = await startServer(`${dir}/data`, ['--config', config]);
    const dashboard = await open(server, 'alerts?edit=behind');
    await dashboard.shows('fixed by the configuration', '.rules');
    expect(await dashboard.page.$$('.rules .acts, .rules form')).toEqual([]);
    await dashboard.close();
  });

  it('offers no change where the dashboard is read-only', async () => {
    const server = await startServer(undefined, ['--dashboard-read-only']);
    await clientOf(server).setAlert({ name: 'behind', when: 'lag over 10' });
    const dashboard = await open(server, 'alerts?edit=behind');
    await dashboard.shows('behind', '.rules');
    expect(await dashboard.page.$$('.alerts button, .alerts form')).toEqual([]);
    await dashboard.close();
  });
});
