import type { Browser } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { type BusClient, connect } from '../../../src/client.js';
import type { TestServer } from '../../cli/support/command.js';
import { neededCommand } from '../../support/needed-command.js';
import { type Dashboard, openDashboard, openDashboardBrowser } from './dashboard.js';

/** The set-up of the tests of a screen: one browser for all of them, and clients that are closed after each. */

export interface ScreenTests {
  /** Opens the page of a server at a place. */
  open(server: Pick<TestServer, 'url'>, place?: string): Promise<Dashboard>;
  /** A client of a server. */
  clientOf(server: TestServer): BusClient;
}

export function describeScreen(what: string, tests: (screen: ScreenTests) => void): void {
  const chromium = neededCommand('chromium', `the dashboard in a browser: ${what}`);
  const clients: BusClient[] = [];
  let browser: Browser;

  describe.runIf(chromium !== undefined)(what, () => {
    beforeAll(async () => {
      browser = await openDashboardBrowser(chromium!);
    });

    afterEach(async () => {
      await Promise.all(clients.splice(0).map((client) => client.close()));
    });

    afterAll(async () => {
      await browser?.close();
    });

    tests({
      open: (server, place) => openDashboard(browser, server.url, place),
      clientOf: (server) => {
        const client = connect(server.url);
        clients.push(client);
        return client;
      },
    });
  });
}
