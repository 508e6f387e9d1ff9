import { fork } from 'node:child_process';
import { once } from 'node:events';

/** A child process that answers calls; every call that it refuses, and its death, reject. */
export class CalledProcess {
  url;
  #child;
  #asked = 0;
  #open = new Map();

  constructor(program, options, environment = {}) {
    this.#child = fork(program, [JSON.stringify(options)], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message) => this.#hear(message));
    this.#child.on('exit', (code, signal) => {
      const error = new Error(`${program} ended: ${code ?? signal}`);
      for (const { reject } of this.#open.values()) reject(error);
      this.#open.clear();
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /** Resolves when it has begun. @throws Error if it ends before */
  async begin() {
    await new Promise((resolve, reject) => this.#open.set('ready', { resolve, reject }));
    return this;
  }

  call(name, given = {}) {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#child.send({ id, call: name, with: given });
    });
  }

  async end() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.call('end').catch(() => {});
    await ended;
  }

  kill() {
    this.#child.kill('SIGKILL');
  }

  #hear({ ready, url, answer, value, error }) {
    this.url = url ?? this.url;
    const id = ready ? 'ready' : answer;
    const { resolve, reject } = this.#open.get(id) ?? {};
    this.#open.delete(id);
    if (error === undefined) resolve?.(value);
    else reject?.(new Error(error));
  }
}
