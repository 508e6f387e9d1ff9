import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { launch } from 'puppeteer-core';
import { until } from '../../stage/stage.js';

/**
 * Markup in every text that a client can put where an operator looks: its name, its address and program, what it
 * subscribes to, the names of topics, consumers, schedules and members, its events, and why it gave up. A real browser
 * shows them; `pwned` would be called where one of them ran.
 */
const MARKUP =
  '<img/src=x/onerror=pwned()><svg/onload=pwned()>"\'`</script><script>pwned()</script>';
/** As a segment of a topic. */
const SEGMENT = MARKUP.replaceAll(/[.*+\s]/g, '');
const SCREENS = ['overview', 'stream', 'topics', 'subscribers', 'consumers', 'publish', 'alerts'];
/** Those on which something of it has to be seen; a screen that shows nothing of it would show nothing. */
const SHOWING = ['topics', 'subscribers', 'consumers', 'stream?from=last:10'];
const MARKS = 'img, iframe, object, embed, script:not([src])';

function findChromium() {
  for (const path of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(path, 'chromium'), constants.X_OK);
      return join(path, 'chromium');
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

async function plant(stage) {
  const token = stage.jwt(MARKUP, {
    publish: ['public.*'],
    subscribe: ['public.*'],
    consume: ['public.*'],
  });
  const topic = `public.${SEGMENT}`;
  const socket = await stage.socket(undefined, { token, headers: { 'user-agent': MARKUP } });
  await socket.one('subscribe', {
    subscription: MARKUP,
    filter: { topics: [topic], attributes: { [MARKUP.slice(0, 60)]: [MARKUP] } },
  });
  await socket.one('subscribe', { subscription: `${MARKUP}2`, filter: 'public.*' });
  const name = `public.${SEGMENT.slice(0, 60)}`;
  const made = await socket.one('consumer', {
    name,
    options: { filter: topic, from: 'earliest', order: 'attributes.note', backoffMs: [3_600_000] },
  });
  assert.equal(made.type, 'result', JSON.stringify(made));
  await socket.one('join', { consumer: name, member: MARKUP, name: MARKUP, concurrency: 2 });
  const event = {
    topic,
    type: SEGMENT,
    source: MARKUP,
    correlationId: MARKUP,
    attributes: { note: MARKUP },
    payload: { [MARKUP]: MARKUP },
  };
  await socket.one('publish', { events: [event, event, { ...event, attributes: {} }] });
  const { payload } = await socket.next(({ type }) => type === 'deliveries');
  await socket.one('settle', {
    settlements: [{ lease: payload.deliveries[0].lease, kind: 'term', reason: MARKUP }],
  });
  await socket.one('setSchedule', {
    name: MARKUP.slice(0, 40),
    schedule: { everyMs: 60_000, event },
  });
  return { name, topic };
}

export const attacks = [
  {
    name: 'markup in all that a client can name, on every screen',
    wants: "to run script in the operator's dashboard",
    async play(stage) {
      const executablePath = findChromium();
      if (executablePath === undefined) return { skipped: 'there is no chromium' };
      const { name } = await plant(stage);
      const browser = await launch({ executablePath, args: ['--no-sandbox'] });
      try {
        const page = await browser.newPage();
        const faults = [];
        page.on('pageerror', (error) => faults.push(String(error)));
        page.on('console', (message) => {
          if (/Content.Security|Trusted/i.test(message.text())) faults.push(message.text());
        });
        await page.evaluateOnNewDocument(
          `globalThis.pwned = () => { globalThis.isPwned = true; }; sessionStorage.setItem('millrace.token', ${JSON.stringify(stage.tokens.operator)});`,
        );
        await page.goto(`${stage.server.url}/#/overview`, { waitUntil: 'load' });
        const marks = () => page.$$eval(MARKS, (all) => all.length);
        const text = () => page.$eval('body', (body) => String(Reflect.get(body, 'innerText')));
        await until('the page is open', async () => /overview/i.test(await text()));
        const shown = [];
        const places = [
          ...SCREENS,
          `consumers?consumer=${encodeURIComponent(name)}`,
          'stream?from=last:10',
        ];
        for (const place of places) {
          await page.evaluate(`location.hash = ${JSON.stringify(`#/${place}`)}`);
          // What the server knows comes within a moment; some screens show none of it.
          const ms = SHOWING.includes(place) ? 15_000 : 1000;
          await until(place, async () => (await text()).includes('pwned()'), ms).then(
            () => shown.push(place),
            () => {},
          );
          assert.equal(await marks(), 0, `${place} has elements of markup`);
          assert.equal(await page.evaluate('globalThis.isPwned'), undefined, place);
          assert.deepEqual(faults, [], place);
        }
        for (const place of SHOWING) {
          assert.ok(
            shown.includes(place),
            `${place} shows nothing of it, so nothing was tried there: ${shown}`,
          );
        }
        return { shown };
      } finally {
        await browser.close();
      }
    },
  },
];
