import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { launch } from 'puppeteer-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startServer } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';

/** `examples/browser`: one page without a build, against a server. */

const SCRIPT = fileURLToPath(new URL('../../examples/browser/serve.js', import.meta.url));
const chromium = neededCommand('chromium', 'the page of examples/browser');

/** Serves the page on a free port, and returns its address. */
async function servePage(): Promise<string> {
  const child = spawn(process.execPath, [SCRIPT, '0']);
  onTestFinished(() => void child.kill());
  return new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
}

describe.runIf(chromium !== undefined)('the sample page', () => {
  it('shows what is published, and says why something was not', async () => {
    const server = await startServer();
    const browser = await launch({ executablePath: chromium!, args: ['--no-sandbox'] });
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    const failures: string[] = [];
    page.on('pageerror', (error) => failures.push(String(error)));
    page.on('requestfailed', (request) => failures.push(request.url()));
    await page.goto(`${await servePage()}/?server=${encodeURIComponent(server.url)}`);
    await page.waitForSelector('#state[data-is=open]');

    await page.click('button');
    await page.waitForSelector('#events li');
    expect(await page.$eval('#events li code', (code) => code.textContent)).toBe('{"total":12.5}');

    await page.$eval('[name=payload]', (input) => Reflect.set(input, 'value', '{"total":'));
    await page.click('button');
    await page.waitForFunction("document.querySelector('output').value.includes('not published')");

    await page.$eval('[name=payload]', (input) => Reflect.set(input, 'value', '1'));
    await page.$eval('[name=topic]', (input) => Reflect.set(input, 'value', 'orders new'));
    await page.click('button');
    await page.waitForFunction("document.querySelector('output').value.includes('whitespace')");
    expect(failures).toEqual([]);
  });
});
