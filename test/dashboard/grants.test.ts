import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../dist/client.js';
import { until } from '../bus/support/wait.js';
import { run, startServer, type TestServer, temporaryDirectory } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';
import { type Dashboard, openDashboard, openDashboardBrowser } from './support/dashboard.js';

const chromium = neededCommand('chromium', 'limited grants in a browser');

interface Keys {
  readonly file: string;
  make(name: string, ...grants: readonly string[]): Promise<{ id: string; key: string }>;
}

function keysIn(dir: string): Keys {
  const file = `${dir}/keys.json`;
  return {
    file,
    make: async (name, ...grants) => {
      const made = await run([
        ...['token', 'key', '--name', name, ...grants],
        ...['--keys-file', file, '--json'],
      ]);
      return JSON.parse(made.stdout);
    },
  };
}

/** Events that a reader of `orders.*` may see, and others of the same run. */
async function publishRun({ url }: TestServer, key: string): Promise<void> {
  await using client = connect(url, { getToken: async () => key });
  const event = { type: 'step', correlationId: 'run-1', payload: { amount: 1 } };
  await client.publish({ ...event, topic: 'orders.new', source: 'shop' });
  await client.publish({ ...event, topic: 'secret.plans', source: 'lab' });
  await client.publish({ ...event, topic: 'secret.plans', correlationId: 'run-of-the-lab' });
}

async function signIn(dashboard: Dashboard, key: string): Promise<void> {
  await dashboard.shows('asks for a token');
  await dashboard.fill('Token', key);
  await dashboard.press('Sign in');
  await dashboard.shows('Live', '.connection');
}

const links = (dashboard: Dashboard): Promise<string[]> =>
  dashboard.page.$$eval('nav.side li a', (all) =>
    all.map((one) => String(Reflect.get(one, 'innerText')).trim()),
  );

describe.runIf(chromium !== undefined)('the dashboard with limited grants', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openDashboardBrowser(chromium!);
  });

  afterAll(async () => {
    await browser?.close();
  });

  async function serve(): Promise<{ server: TestServer; keys: Keys }> {
    const dir = temporaryDirectory();
    const keys = keysIn(dir);
    const writer = await keys.make('writer', '--publish', '*');
    const server = await startServer(dir, ['--keys-file', keys.file]);
    await publishRun(server, writer.key);
    return { server, keys };
  }

  it('opens the screens that the token may use, and shows nothing of what it may not read', async () => {
    const { server, keys } = await serve();
    const { key } = await keys.make('reader', '--subscribe', 'orders.*', '--publish', 'copies.*');
    const dashboard = await openDashboard(browser, server.url, '');
    await signIn(dashboard, key);
    await dashboard.shows('Pause', '.screen-stream');
    expect(await links(dashboard)).toEqual(['Stream', 'Trace', 'Topics', 'Publish']);
    await dashboard.goTo('stream?from=earliest');
    await dashboard.shows('orders.new', '.screen-stream');
    await dashboard.goTo('trace');
    await dashboard.shows('run-1', '.recent-runs');
    expect(await dashboard.text('body')).not.toContain('run-of-the-lab');
    await dashboard.press('run-1');
    await dashboard.shows('1 event', '.run-summary');
    await dashboard.press('Replay it');
    await dashboard.shows('Replay', '.screen-publish');
    await dashboard.fill('To the topic', 'copies.orders');
    await dashboard.press('Dry run');
    await dashboard.shows('1 event', '.screen-publish');
    expect(await dashboard.text('body')).not.toContain('FORBIDDEN');
    await dashboard.goTo('topics');
    await dashboard.shows('orders', '.screen-topics');
    expect(await dashboard.text('body')).not.toMatch(/secret|lab|FORBIDDEN/);
    await dashboard.goTo('stream?topic=secret.*');
    await dashboard.shows('FORBIDDEN', '.screen-stream');
    for (const refused of ['subscribers', 'consumers']) {
      await dashboard.goTo(refused);
      await dashboard.shows('may not open this screen', `.screen-${refused}`);
    }
    expect(await dashboard.barriers()).toEqual([]);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows a token with a grant to consume those consumers alone', async () => {
    const { server, keys } = await serve();
    const owner = await keys.make('owner', '--admin', '*');
    await using client = connect(server.url, { getToken: async () => owner.key });
    await client.consumer('shop.mail', { filter: 'orders.*' });
    await client.consumer('lab.secret', { filter: 'secret.*' });
    const worker = await keys.make('worker', '--consume', 'shop.*');
    const dashboard = await openDashboard(browser, server.url, '');
    await signIn(dashboard, worker.key);
    await dashboard.shows('1 consumer', '.screen-consumers');
    expect(await links(dashboard)).toEqual(['Consumers']);
    expect(await dashboard.text('body')).toContain('shop.mail');
    expect(await dashboard.text('body')).not.toMatch(/lab|FORBIDDEN/);
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('shows one consumer to those who may take from it, and offers changes to those who may direct it', async () => {
    const { server, keys } = await serve();
    const owner = await keys.make('owner', '--admin', '*', '--publish', '*');
    await using client = connect(server.url, { getToken: async () => owner.key });
    const mail = await client.consumer('mail', { filter: 'orders.*', deadLetter: 'dead.mail' });
    await client.publish({ topic: 'orders.new', type: 'order', payload: 1 });
    await (await mail.pull({ waitMs: 10_000 }))[0]!.term('no address');
    const acts = '.consumers button:not(.quiet), .consumers form, .consumers input';
    const mayDirect: readonly (readonly [boolean, readonly string[]])[] = [
      [false, ['--consume', 'mail']],
      [false, ['--consume', 'mail', '--subscribe', 'orders.*']],
      [false, ['--consume', 'mail', '--subscribe', 'orders.new', '--publish', 'dead.*']],
      [true, ['--consume', 'mail', '--subscribe', 'orders.*', '--publish', 'dead.*']],
      [true, ['--admin', '*']],
    ];
    for (const [at, [may, rights]] of mayDirect.entries()) {
      const { key } = await keys.make(`worker-${at}`, ...rights);
      const dashboard = await openDashboard(browser, server.url, 'consumers?consumer=mail');
      await signIn(dashboard, key);
      await dashboard.shows('no address', '.consumers');
      await dashboard.shows('No event is open here', '.consumers');
      expect((await dashboard.page.$$(acts)).length > 0, rights.join(' ')).toBe(may);
      const words = 'a token has to read all that it reads, and publish on dead.mail.';
      expect((await dashboard.text('.consumers')).includes(words), rights.join(' ')).toBe(!may);
      const opens = await dashboard.page.$$('.consumers button.quiet');
      expect(opens.length > 0, rights.join(' ')).toBe(at > 0 && at < 4);
      expect(await dashboard.text('body')).not.toContain('FORBIDDEN');
      expect(dashboard.faults).toEqual([]);
      await dashboard.page.evaluate('sessionStorage.clear()');
      await dashboard.close();
    }
  });

  it('begins with the form where a token may only publish, and says where it may open nothing', async () => {
    const { server, keys } = await serve();
    const publisher = await keys.make('publisher', '--publish', 'orders.*');
    const dashboard = await openDashboard(browser, server.url, '');
    await signIn(dashboard, publisher.key);
    await dashboard.shows('One event', '.screen-publish');
    expect(await links(dashboard)).toEqual(['Publish']);
    await dashboard.press('Sign out');
    const cutter = await keys.make('cutter', '--admin', 'orders.*');
    await signIn(dashboard, cutter.key);
    await dashboard.shows('Your token may open no screen');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });

  it('leaves nothing of a principal in the page after the sign-out, nor after the token is revoked', async () => {
    const { server, keys } = await serve();
    const rights = ['--subscribe', 'secret.*', '--publish', 'secret.*'];
    const [first, second] = [await keys.make('ada', ...rights), await keys.make('ben', ...rights)];
    const other = await keys.make('reader', '--subscribe', 'orders.*', '--publish', 'orders.*');
    const dashboard = await openDashboard(browser, server.url, '');
    const completes = (topic: string): Promise<void> =>
      until(`the field completes ${topic}`, () =>
        dashboard.page.$$eval(
          'datalist option',
          (all, name) => all.some((one) => Reflect.get(one, 'value') === name),
          topic,
        ),
      );
    const leaveTraces = async (): Promise<void> => {
      await dashboard.goTo('publish');
      await dashboard.fill('Topic', 'secret.p');
      await completes('secret.plans');
      await dashboard.fill('Topic', 'secret.form');
      await dashboard.fill('Type', 'secret_type');
      await dashboard.page.locator('.publish-form .primary').click();
      await dashboard.shows('published', '.outcome');
    };
    const seesNothing = async (): Promise<void> => {
      await dashboard.goTo('publish');
      await dashboard.shows('One event', '.screen-publish');
      await dashboard.fill('Topic', 'orders');
      await completes('orders.new');
      await dashboard.fill('Topic', 'e');
      const html = String(await dashboard.page.evaluate('document.body.innerHTML'));
      expect(html).not.toMatch(/secret/);
      const fields = await dashboard.page.$$eval('input, textarea', (all) =>
        all.map((one) => String(Reflect.get(one, 'value'))),
      );
      expect(fields.join('\n')).not.toMatch(/secret/);
    };
    await signIn(dashboard, first.key);
    await leaveTraces();
    await dashboard.press('Sign out');
    await signIn(dashboard, other.key);
    await seesNothing();
    await dashboard.press('Sign out');
    await signIn(dashboard, second.key);
    await leaveTraces();
    await run(['token', 'revoke', second.id, '--keys-file', keys.file]);
    await signIn(dashboard, other.key);
    await seesNothing();
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
  });
});
