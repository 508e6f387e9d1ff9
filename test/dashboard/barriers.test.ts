import { expect, it } from 'vitest';
import { startServer } from '../cli/support/command.js';
import { publishAgentRun } from './support/agent-run.js';
import { type Dashboard, PHONE, WIDE } from './support/dashboard.js';
import { describeScreen } from './support/screen.js';

/** What a place shows once it is there, and what is opened on it. */
interface Place {
  readonly place: string;
  readonly selector: string;
  readonly open?: (dashboard: Dashboard) => Promise<void>;
}

const PLACES: readonly Place[] = [
  { place: 'overview', selector: '.charts canvas' },
  { place: 'stream?from=earliest', selector: '.stream-row' },
  {
    place: 'stream?from=last:9',
    selector: '.stream-row',
    open: (dashboard) => dashboard.press('Filters'),
  },
  { place: 'trace', selector: '.recent-runs a' },
  { place: 'trace?correlationId=run-7', selector: '.run-tree [role=treeitem]' },
  { place: 'topics', selector: '.tree-row' },
  { place: 'topics?find=a', selector: '.tree-row' },
  { place: 'subscribers', selector: '.data-row' },
  { place: 'publish', selector: '.screen-publish textarea' },
  { place: 'publish?mode=replay', selector: '.screen-publish form, .screen-publish input' },
  { place: 'alerts', selector: '.rule' },
  { place: 'alerts?edit=behind', selector: '.rule-form' },
  {
    place: 'alerts',
    selector: '.rule',
    open: async (dashboard) => {
      await dashboard.press('Remove behind');
      await dashboard.shows('no longer watches', 'dialog');
    },
  },
];

describeScreen('the dashboard, searched for barriers', ({ open, clientOf }) => {
  const sizes = [
    { size: 'wide', viewport: WIDE },
    { size: 'phone', viewport: PHONE },
  ] as const;

  it.each(sizes)(
    'has none on any screen, in an event, a form or a question, light and dark: $size',
    async ({ viewport }) => {
      const server = await startServer();
      const client = clientOf(server);
      await publishAgentRun(server.url, 'run-7');
      const { id } = await client.publish({
        topic: 'orders.new',
        type: 'order_created',
        payload: { items: [{ sku: 'A' }], total: 12.5 },
      });
      await client.setAlert({ name: 'behind', when: 'lag over 10', severity: 'critical' });
      await client.setAlert({ name: 'failed', when: 'any http_error on *' });
      await client.subscribe('orders.*', { name: 'billing' }).ready;
      const dashboard = await open(server, 'overview');
      await dashboard.page.setViewport(viewport);
      const event: Place = {
        place: `stream?from=earliest&event=orders.new/${id}`,
        selector: '.event-drawer .event-body',
      };
      const found: string[] = [];
      for (const { place, selector, open: prepare } of [...PLACES, event]) {
        await dashboard.goTo(place);
        await dashboard.page.waitForSelector(selector);
        await prepare?.(dashboard);
        for (const value of ['light', 'dark']) {
          await dashboard.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
          const barriers = await dashboard.barriers();
          found.push(...barriers.map((barrier) => `${place}, ${value}: ${barrier}`));
        }
      }
      expect(found).toEqual([]);
      expect(dashboard.faults).toEqual([]);
      await dashboard.close();
    },
    180_000,
  );
});
