import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProcessRole } from '../../checker/role.js';

/**
 * The server under test as `millrace serve`, always on one port: what an operator runs, and what SIGTERM is for. It has
 * no actors; all clients are processes of their own.
 */
const START_MS = 180_000;
const LISTENING = /"url":"(http[^"]+)"/;

export class Served extends ProcessRole {
  isReady = false;
  url;
  caughtUp = new Set();
  resting = new Set();
  busy = new Set();
  /** How long each stop by SIGTERM took, ms, and with which code or signal it ended. */
  stops = [];
  #dist;
  #dir;
  #config;
  #environment;

  /** @param {{ dist: string, dir: string, folder: string, bus: any }} options  `bus`: options of the bus */
  constructor({ dist, dir, folder, bus }, environment) {
    super('server');
    this.#dist = dist;
    this.#dir = dir;
    this.#environment = environment;
    this.#config = join(folder, '..', 'millrace.config.json');
    writeFileSync(this.#config, JSON.stringify(bus));
  }

  /** @override */
  async start() {
    this.isReady = false;
    const port = this.url === undefined ? '0' : new URL(this.url).port;
    const flags = ['serve', '--dir', this.#dir, '--port', port, '--config', this.#config];
    const args = [join(this.#dist, 'cli/millrace.js'), ...flags, '--dashboard', 'false'];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...this.#environment() },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.follow(child);
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    const listening = new Promise((resolve) => {
      let text = '';
      child.stderr.on('data', (more) => {
        if (this.isReady) return;
        text += more;
        const [, url] = LISTENING.exec(text) ?? [];
        if (url === undefined) return;
        this.url = url;
        this.isReady = true;
        resolve(undefined);
      });
    });
    await Promise.race([listening, once(child, 'exit')]);
    clearTimeout(timer);
  }

  /** Tells it to stop, at any moment of its life. @returns how long that took and how it ended, if it ran */
  async terminate() {
    const { child } = this;
    if (child === undefined || !this.isRunning) return undefined;
    const isReady = this.isReady;
    this.isExpected = true;
    this.isReady = false;
    const began = performance.now();
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const [code, signal] = await ended;
    const stop = { ms: performance.now() - began, code, signal, isReady };
    this.stops.push(stop);
    return stop;
  }

  /** @override */
  strike() {
    this.isReady = false;
    return super.strike();
  }

  get pid() {
    return this.child?.pid;
  }

  freeze() {
    if (!this.isRunning || !this.isReady) return false;
    this.child?.kill('SIGSTOP');
    return true;
  }

  thaw() {
    if (this.isRunning) this.child?.kill('SIGCONT');
  }

  /** It has no calls; a fault that needs one is not injected. */
  async ask() {
    return undefined;
  }

  enter() {}

  async stop() {
    this.letGo();
    await this.terminate();
    await this.ended();
  }
}

/** The actors of a plan that are processes of their own. */
export function isOutside({ host }) {
  return host !== 'subject' && host !== 'worker';
}
