import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'puppeteer-core';
import { until } from '../../bus/support/wait.js';
import { openBrowser } from '../../client/support/browser.js';

/** The dashboard in a real browser, against a real server. */

/** Pictures of the screens, for people to look at. Git ignores the folder. */
const PICTURES = fileURLToPath(new URL('../../../screenshots/', import.meta.url));

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const WIDE = { width: 1280, height: 800 } as const;
export const PHONE = { width: 390, height: 844 } as const;

export interface Dashboard {
  readonly page: Page;
  /** Errors of the page: exceptions, and messages on its console that are errors, such as a breach of its policy. */
  readonly faults: string[];
  /** Goes to a screen, `stream?topic=a.*`, without loading the page again. */
  goTo(place: string): Promise<void>;
  /** The text that a person sees in the first element that matches. */
  text(selector: string): Promise<string>;
  /** Waits until the text of an element holds `part`. */
  shows(part: string, selector?: string): Promise<void>;
  /** Clicks the button or link with this name. */
  press(name: string): Promise<void>;
  /** Fills the field with this label. */
  fill(label: string, text: string): Promise<void>;
  /** Serious and critical findings of axe, a line each. */
  barriers(): Promise<string[]>;
  /** Pictures of the screen: light and dark, wide and as on a phone. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function openDashboardBrowser(executablePath: string): Promise<Browser> {
  mkdirSync(PICTURES, { recursive: true });
  return openBrowser(executablePath);
}

/** Opens the page of a server at a place, `overview` by default. */
export async function openDashboard(
  browser: Browser,
  url: string,
  place = 'overview',
): Promise<Dashboard> {
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    // A refused connection is told on the console by the browser itself, and is no fault of the page.
    const isOurs = message.type() === 'error' && !/net::ERR_|WebSocket/.test(message.text());
    if (isOurs) faults.push(message.text());
  });
  await page.setViewport(WIDE);
  await page.goto(`${url.replace(/\/$/, '')}/#/${place}`, { waitUntil: 'load' });
  const text = (selector: string): Promise<string> =>
    page.$eval(selector, (element) => String(Reflect.get(element, 'innerText')));
  return {
    page,
    faults,
    text,
    goTo: async (to) => {
      await page.evaluate((hash) => {
        Reflect.get(globalThis, 'location').hash = hash;
      }, `#/${to}`);
    },
    shows: (part, selector = 'body') =>
      until(`${selector} shows ${part}`, async () =>
        (await text(selector).catch(() => '')).includes(part),
      ),
    press: async (name) => {
      await page.locator(`::-p-aria(${name})`).click();
    },
    fill: async (label, value) => {
      await page.locator(`::-p-aria(${label})`).fill(value);
    },
    barriers: () => barriersOf(page),
    picture: (name) => takePictures(page, name),
    close: () => page.close(),
  };
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly help: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

async function barriersOf(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = (await page.evaluate('axe.run()')) as AxeResult;
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
}

async function takePictures(page: Page, name: string): Promise<void> {
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
    for (const [size, viewport] of [['wide', WIDE] as const, ['phone', PHONE] as const]) {
      await page.setViewport(viewport);
      await page.evaluate(
        'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))',
      );
      await page.screenshot({ path: `${PICTURES}${name}-${size}-${theme}.png` });
    }
  }
  await page.setViewport(WIDE);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
}
