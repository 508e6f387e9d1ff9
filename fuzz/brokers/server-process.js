import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as afterMs } from 'node:timers/promises';

const DEADLINE_MS = 20_000;
const POLL_MS = 5;

/**
 * A server that tests, fuzzers and games start on this machine, in a directory of its own. It may be killed, stopped
 * and started again with what it has stored. It ends with the process that has started it, also where that dies.
 */
export class ServerProcess {
  /** @type {string} */
  dir;
  /** @type {number} */
  port;
  #command;
  #through;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process;

  /**
   * @param {string} command
   * @param {number} port
   * @param {object} [place]
   * @param {string} [place.dir]  its directory; by default one is made for it
   * @param {readonly string[]} [place.through]  a command that starts it, such as `ip netns exec NAME`
   */
  constructor(command, port, { dir, through = [] } = {}) {
    this.#command = command;
    this.port = port;
    this.#through = through;
    this.dir = dir ?? mkdtempSync(join(tmpdir(), `millrace-${command}-`));
  }

  /**
   * @param {readonly string[]} words of its command line
   * @param {() => Promise<boolean>} answers whether it takes calls by now
   */
  async run(words, answers) {
    const guarded = [...this.#through, 'setpriv', '--pdeathsig', 'KILL', this.#command, ...words];
    const [first = '', ...others] = guarded;
    const started = spawn(first, others, { stdio: 'ignore' });
    this.#process = started;
    const what = `${this.#command} on port ${this.port}`;
    const deadline = Date.now() + DEADLINE_MS;
    while (!(await answers())) {
      const end = started.exitCode ?? started.signalCode;
      if (end !== null) throw new Error(`${what} ended with ${end}`);
      if (Date.now() > deadline) throw new Error(`${what} took no call in ${DEADLINE_MS} ms`);
      await afterMs(POLL_MS);
    }
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    this.#process?.kill(signal);
  }

  /** Ends it with SIGKILL; what it has written stays. */
  async kill() {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }

  /** Ends it, and removes what it has written. */
  async dispose() {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A connection that nobody answers is no sign of life, ms. */
const CONNECT_MS = 1000;

/** Whether somebody takes connections there. @param {string} host @param {number} port @returns {Promise<boolean>} */
export function isListening(host, port) {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (/** @type {boolean} */ is) => {
      socket.destroy();
      resolve(is);
    };
    socket.setTimeout(CONNECT_MS, () => answer(false));
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
