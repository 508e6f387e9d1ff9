import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BusClient, connect } from '../../dist/client.js';
import { until } from '../bus/support/wait.js';
import { startServer } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'markup in events, in a browser');

/** Each of these runs `pwned()` or adds an element where a page takes it for markup. */
const VECTORS = [
  '<script>pwned()</script>',
  '<img src=x onerror=pwned()>',
  '<svg/onload=pwned()>',
  '<svg><script>pwned()</script></svg>',
  '<body onload=pwned()>',
  '<iframe srcdoc="<script>parent.pwned()</script>"></iframe>',
  '<iframe src="javascript:parent.pwned()"></iframe>',
  '<a href="javascript:pwned()">x</a>',
  '<details open ontoggle=pwned()>',
  '<input autofocus onfocus=pwned()>',
  '<marquee onstart=pwned()>',
  '<video><source onerror=pwned()></video>',
  '<math><mtext><table><mglyph><style><img src=x onerror=pwned()>',
  '<template><img src=x onerror=pwned()></template>',
  '<object data="javascript:pwned()"></object>',
  '<link rel=stylesheet href="javascript:pwned()">',
  '<meta http-equiv=refresh content="0;url=javascript:pwned()">',
  '<base href="https://evil.example/">',
  '<form action="javascript:pwned()"><button>x</button></form>',
  '<style>@import "https://evil.example/x.css";</style>',
  '"><script>pwned()</script>',
  "'-pwned()-'",
  '</script><script>pwned()</script>',
  '</title><script>pwned()</script>',
  '</textarea><script>pwned()</script>',
  '<!--><img src=x onerror=pwned()>-->',
  '<![CDATA[<script>pwned()</script>]]>',
  'javascript:pwned()',
  'data:text/html,<script>pwned()</script>',
  '{{constructor.constructor("pwned()")()}}',
  '&lt;script&gt;pwned()&lt;/script&gt;',
  '\u0000<script>pwned()</script>',
  '\u202e<script>pwned()</script>',
];

const MARKS =
  'script, img, iframe, object, embed, video, marquee, base, form:not(.seek), style, math, template';

describe.runIf(chromium !== undefined)('markup in events', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  /** The page of a server, and a check that nothing in it came of markup. */
  async function open(url: string, place: string) {
    const dashboard = await openDashboard(browser, url, place);
    const { page } = dashboard;
    await page.evaluate('globalThis.pwned = () => { globalThis.isPwned = true; }');
    const marks = (): Promise<number> => page.$$eval(MARKS, (all) => all.length);
    const before = await marks();
    const clean = async (where: string): Promise<void> => {
      expect(await marks(), where).toBe(before);
      expect(await page.evaluate('globalThis.isPwned'), where).toBeUndefined();
      const links = await page.$$eval('a', (all) => all.map((one) => one.getAttribute('href')));
      expect(
        links.filter((href) => !href?.startsWith('#/')),
        where,
      ).toEqual([]);
      expect(dashboard.faults, where).toEqual([]);
    };
    return { dashboard, clean };
  }

  it('is text in the list and beside it', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    await client.publishMany(
      VECTORS.map((vector, n) => ({
        id: `vector-${n}`,
        topic: `xss.${plain(vector)}`,
        type: plain(vector),
        source: vector,
        correlationId: vector,
        attributes: { [vector]: vector },
        payload: { [vector]: vector, list: [vector] },
      })),
    );
    const { dashboard, clean } = await open(server.url, 'stream');
    await dashboard.shows(String(VECTORS.length), '.matched');
    await clean('the list');
    for (const [n, vector] of VECTORS.entries()) {
      const event = encodeURIComponent(`xss.${plain(vector)}/vector-${n}`);
      await dashboard.goTo(`stream?event=${event}`);
      await dashboard.shows(`vector-${n}`, '.event-drawer');
      await clean(vector);
    }
    await dashboard.close();
  });

  it('is text in every view of an event', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    const every = { topic: 'xss', type: 't', source: VECTORS.join(' ').slice(0, 255) };
    const payload = Object.fromEntries(VECTORS.map((vector) => [vector, [vector]]));
    await client.publish({ ...every, payload: { first: true } });
    await client.publish({ ...every, id: 'all', payload });
    const { dashboard, clean } = await open(server.url, 'overview?event=xss/all');
    for (const tab of ['JSON', 'Copy as', 'Changes', 'Payload']) {
      await dashboard.press(tab);
      await until(
        'it has loaded',
        async () => (await dashboard.page.$('.panel .loading')) === null,
      );
      await dashboard.shows('pwned()', '.panel');
      await clean(tab);
    }
    await dashboard.close();
  });

  it('is text in the names, keys and reasons of consumers', async () => {
    const server = await startServer(undefined, ['--shards', '1']);
    await using client = connect(server.url);
    const backoffMs = [3_600_000];
    const order = 'attributes.key' as const;
    const all = await client.consumer('all', { filter: 'xss.*', order, backoffMs });
    const names = new Set(VECTORS.map((vector) => plain(vector)));
    for (const name of names) await made(client, name);
    const inputs = VECTORS.map((vector) => {
      return { topic: `xss.${plain(vector)}`, type: 't', payload: 1, attributes: { key: vector } };
    });
    await client.publishMany([...inputs, ...inputs]);
    const refused = await all.pull({ max: VECTORS.length, waitMs: 10_000 });
    await Promise.all(refused.map((one) => one.nak({ reason: one.event.attributes!.key! })));
    const dying = await client.consumer('dying', { filter: 'xss.*', from: 'earliest' });
    const givenUp = await dying.pull({ max: VECTORS.length, waitMs: 10_000 });
    await Promise.all(givenUp.map((one) => one.term(one.event.attributes!.key!)));
    const { dashboard, clean } = await open(server.url, 'consumers');
    await dashboard.shows(`${names.size + 2} consumers`, '.consumers');
    await clean('the list');
    await dashboard.goTo('consumers?consumer=all');
    await dashboard.shows('pwned()', '[aria-labelledby="keys-title"]');
    await dashboard.shows('pwned()', '[aria-labelledby="open-title"]');
    await clean('held keys and open events');
    await dashboard.goTo('consumers?consumer=dying');
    await dashboard.shows('pwned()', '[aria-labelledby="dead-title"]');
    await dashboard.press('Redrive all');
    await dashboard.shows('pwned()', 'dialog');
    await clean('dead events');
    await dashboard.close();
  });

  it('is text in the address, where anybody can put it', async () => {
    const server = await startServer();
    const { dashboard, clean } = await open(server.url, 'stream');
    for (const vector of VECTORS) {
      const text = encodeURIComponent(vector);
      const fields = ['topic', 'type', 'source', 'attribute', 'search', 'from'];
      const query = fields.map((field) => `${field}=${text}`).join('&');
      await dashboard.goTo(`stream?${query}&event=${text}/x`);
      await until('the drawer has answered', async () => {
        return (await dashboard.page.$('.event-drawer .notice')) !== null;
      });
      await clean(vector);
    }
    await dashboard.close();
  });
});

/** Makes a consumer, as soon as the server lets one more be made. */
async function made(client: BusClient, name: string): Promise<void> {
  await until('the consumer is made', async () => {
    try {
      await client.consumer(name, { filter: 'none' });
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'RATE_LIMITED' });
      return false;
    }
  });
}

/** A topic and a type take fewer characters than a payload does. */
function plain(text: string): string {
  return text.replaceAll(/[\s\0\u202e.*+]/g, '');
}
