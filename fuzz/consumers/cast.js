import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { launch } from 'puppeteer-core';

/**
 * The processes of a game. Each can be killed at any time, and starts again at once, until it is let go.
 */
const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
const START_MS = 60_000;

class Role {
  name;
  /** How often it was killed. */
  kills = 0;
  /** Errors that no kill explains. */
  problems = [];
  #isOver = false;
  #started;

  constructor(name) {
    this.name = name;
  }

  /** Starts it, and again after each end, until `letGo`. Resolves when it runs for the first time. */
  async begin() {
    this.#started = this.start();
    await this.#started;
    void this.#goOn();
  }

  /** Kills it with SIGKILL, also while it starts. */
  kill() {
    if (this.isRunning) this.kills++;
    this.strike();
  }

  /** It runs, now or soon. */
  get running() {
    return this.#started;
  }

  letGo() {
    this.#isOver = true;
  }

  /** Whether it can be killed. */
  get isRunning() {
    return false;
  }

  /** Starts its process. Resolves when it is at work. */
  async start() {
    throw new Error(`${this.name} has no process`);
  }

  /** Resolves when the process of the last start has ended. */
  async ended() {}

  strike() {}

  async #goOn() {
    while (!this.#isOver) {
      await this.ended();
      if (this.#isOver) return;
      this.#started = this.start();
      await this.#started.catch((error) => {
        if (this.kills === 0) this.problems.push(`${this.name} did not start: ${error.message}`);
      });
    }
  }
}

/** The server, always on one port. */
export class Server extends Role {
  url;
  /** When it noticed that a connection had ended other than by its client's word, wall clock ms. */
  losses = [];
  #dist;
  #dir;
  #child;
  #exit = Promise.resolve();
  /** It was told to stop, or killed. */
  #isExpected = false;

  constructor(dist, dir) {
    super('server');
    this.#dist = dist;
    this.#dir = dir;
  }

  /** @override */
  get isRunning() {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** @override */
  async start() {
    const port = this.url === undefined ? '0' : new URL(this.url).port;
    const args = ['serve', '--dir', this.#dir, '--port', port, '--shards', '2'];
    const child = spawn(process.execPath, [join(this.#dist, 'cli/millrace.js'), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    this.#isExpected = false;
    const logs = [];
    this.#exit = once(child, 'exit').then(([code, signal]) => {
      if (this.#isExpected && (signal === 'SIGKILL' || code === 0)) return;
      this.problems.push(
        `the server ended by itself (${code ?? signal}): ${logs.slice(-3).join(' ')}`,
      );
    });
    await new Promise((resolve) => {
      child.once('exit', resolve);
      createInterface({ input: child.stderr }).on('line', (line) => {
        const log = line.startsWith('{') ? JSON.parse(line) : { msg: line };
        if (log.level === undefined || log.level === 'error') logs.push(line);
        if (log.closeCode !== undefined && log.closeCode !== 1000) {
          this.losses.push(Date.parse(log.time));
        }
        if (log.url === undefined) return;
        this.url = log.url;
        resolve(undefined);
      });
    });
  }

  /** @override */
  async ended() {
    return this.#exit;
  }

  /** @override */
  strike() {
    this.#isExpected = true;
    this.#child.kill('SIGKILL');
  }

  async stop() {
    this.letGo();
    this.#isExpected = true;
    this.#child.kill('SIGTERM');
    await this.#exit;
  }
}

/** A process of Node that works for the consumer. */
export class Worker extends Role {
  #options;
  #child;
  #exit = Promise.resolve();

  /** @param options `{ url, diary, concurrency, client }`: the diary's file, and the module of the client */
  constructor(name, options) {
    super(name);
    this.#options = options;
  }

  /** @override */
  get isRunning() {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** @override */
  async start() {
    const { url, diary, concurrency, client } = this.#options;
    const args = [WORKER, url, diary, String(concurrency), this.name, client];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    child.stdin.on('error', () => {});
    this.#child = child;
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      errors = (errors + text).slice(-2000);
    });
    this.#exit = once(child, 'exit').then(([code, signal]) => {
      if (signal !== 'SIGKILL' && code !== 0) {
        this.problems.push(`${this.name} ended by itself (${code ?? signal}): ${errors}`);
      }
    });
  }

  /** @override */
  async ended() {
    return this.#exit;
  }

  /** @override */
  strike() {
    this.#child.kill('SIGKILL');
  }

  async stop() {
    this.letGo();
    this.#child.stdin.end('stop\n');
    await this.#exit;
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
    if (pid === undefined || !this.isRunning) return;
    try {
      // All its processes: Puppeteer starts it with a process group of its own.
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      // It has ended by itself, and nobody has told this process yet.
      if (error.code !== 'ESRCH') throw error;
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
