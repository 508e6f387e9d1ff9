import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { launch } from 'puppeteer-core';
import { ProcessRole, Role } from '../checker/role.js';

/** The processes of a game. */
const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
const START_MS = 60_000;

/** The server, always on one port. */
export class Server extends ProcessRole {
  url;
  /** When it noticed that a connection had ended other than by its client's word, wall clock ms. */
  losses = [];
  #dist;
  #dir;

  constructor(dist, dir) {
    super('server');
    this.#dist = dist;
    this.#dir = dir;
  }

  /** @override */
  async start() {
    const port = this.url === undefined ? '0' : new URL(this.url).port;
    const args = ['serve', '--dir', this.#dir, '--port', port, '--shards', '2'];
    const child = spawn(process.execPath, [join(this.#dist, 'cli/millrace.js'), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.follow(child);
    await new Promise((resolve) => {
      child.once('exit', resolve);
      createInterface({ input: child.stderr }).on('line', (line) => {
        const log = line.startsWith('{') ? JSON.parse(line) : { msg: line };
        if (log.closeCode !== undefined && log.closeCode !== 1000) {
          this.losses.push(Date.parse(log.time));
        }
        if (log.url === undefined) return;
        this.url = log.url;
        resolve(undefined);
      });
    });
  }

  async stop() {
    await this.stopBy((child) => child.kill('SIGTERM'));
  }
}

/** A process of Node that works for the consumer. */
export class Worker extends ProcessRole {
  #options;

  /** @param options `{ url, diary, concurrency, client }`: the diary's file, and the module of the client */
  constructor(name, options) {
    super(name);
    this.#options = options;
  }

  /** @override */
  async start() {
    const { url, diary, concurrency, client } = this.#options;
    const args = [WORKER, url, diary, String(concurrency), this.name, client];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    child.stdin.on('error', () => {});
    this.follow(child);
  }

  async stop() {
    await this.stopBy((child) => child.stdin.end('stop\n'));
  }
}

/** A browser with one page, whose script works for the consumer. */
export class Browser extends Role {
  #options;
  #browser;
  #page;
  #exit = Promise.resolve();

  /** @param options `{ executablePath, folder, pageUrl }` */
  constructor(name, options) {
    super(name);
    this.#options = options;
  }

  /** @override */
  get isRunning() {
    return this.#browser?.connected === true;
  }

  /** @override */
  async start() {
    const { executablePath, folder, pageUrl } = this.#options;
    const userDataDir = mkdtempSync(join(folder, `${this.name}-`));
    const browser = await launch({
      executablePath,
      userDataDir,
      timeout: START_MS,
      // In a container there is neither a sandbox for root nor much shared memory.
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-timer-throttling'],
    });
    this.#browser = browser;
    const child = browser.process();
    this.#exit = once(
      /** @type {import('node:child_process').ChildProcess} */ (child),
      'exit',
    ).then(() => {
      rmSync(userDataDir, { recursive: true, force: true, maxRetries: 5 });
    });
    // Puppeteer waits in vain for the page of a browser that was killed meanwhile.
    const struck = this.#exit.then(() => {
      throw new Error('the browser ended while its page was opened');
    });
    try {
      await Promise.race([this.#open(browser, pageUrl), struck]);
    } catch (error) {
      // One that lives without its page is of no use, and would never end.
      this.strike();
      throw error;
    }
  }

  async #open(browser, pageUrl) {
    this.#page = await browser.newPage();
    this.#page.on('pageerror', (error) => this.problems.push(`${this.name}: ${error}`));
    await this.#page.goto(pageUrl);
  }

  /** @override */
  async ended() {
    return this.#exit;
  }

  /** @override */
  strike() {
    const pid = this.#browser?.process()?.pid;
    if (pid === undefined || !this.isRunning) return false;
    try {
      // All its processes: Puppeteer starts it with a process group of its own.
      return process.kill(-pid, 'SIGKILL');
    } catch (error) {
      // It has ended by itself, and nobody has told this process yet.
      if (error.code !== 'ESRCH') throw error;
      return false;
    }
  }

  async stop() {
    this.letGo();
    // A page that has just started has no member yet.
    await this.#page.waitForFunction(() => 'endGame' in globalThis, { timeout: START_MS });
    await this.#page.evaluate(() => Reflect.get(globalThis, 'endGame')());
    await this.#browser.close();
  }
}
