import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/**
 * A real server: `millrace serve` in a process of its own, with a folder of its own for its directory, its keys and its
 * configuration. It is killed when it is disposed of.
 */
const BUILT = fileURLToPath(new URL('../../../dist', import.meta.url));

/** The servers that run: none outlives the process that started it. @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** What V8 writes when the heap of a thread is full: the attack that caused it has won. */
const HEAP_IS_FULL = /heap out of memory|ERR_WORKER_OUT_OF_MEMORY/;

export class Server {
  /** @type {Record<string, any>[]} */
  logs = [];
  /** All of stderr. */
  text = '';
  port = 0;

  /** @param {string} folder @param {import('node:child_process').ChildProcess} child */
  constructor(folder, child) {
    this.folder = folder;
    this.child = child;
    running.add(child);
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
    });
  }

  /**
   * @param {{
   *   config?: (folder: string) => Record<string, any>, dist?: string, args?: readonly string[],
   *   env?: Record<string, string>,
   * }} options `config`: the configuration, for a folder that may hold files of its own
   */
  static async start({ config = () => ({}), dist = BUILT, args = [], env = {} } = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-redteam-'));
    const file = join(folder, 'millrace.config.json');
    writeFileSync(file, JSON.stringify(config(folder)));
    const command = join(dist, 'cli', 'millrace.js');
    const given = ['--dir', join(folder, 'data'), '--port', '0', '--config', file, ...args];
    const child = spawn(process.execPath, [command, 'serve', ...given], {
      cwd: folder,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const server = new Server(folder, child);
    await server.#listening();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get directory() {
    return join(this.folder, 'data');
  }

  get isRunning() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whether a thread of the server has died, or the server itself. */
  get isHurt() {
    const restarts = this.logs.some(({ msg = '' }) =>
      /thread.*(?:died|ended|failed|restart)/i.test(msg),
    );
    return !this.isRunning || restarts || HEAP_IS_FULL.test(this.text);
  }

  /** The resident memory of the process, bytes. */
  residentBytes() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  /** The processor time that the process has used, ms. */
  processorMs() {
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Clock ticks of 10 ms: user and system.
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  async stop() {
    if (this.isRunning) this.child.kill('SIGTERM');
    const end = await this.ended;
    this.#forget();
    return end;
  }

  async kill() {
    if (this.isRunning) this.child.kill('SIGKILL');
    await this.ended;
    this.#forget();
  }

  #forget() {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #listening() {
    return new Promise((resolve, reject) => {
      createInterface({ input: /** @type {any} */ (this.child.stderr) }).on('line', (line) => {
        this.text += `${line}\n`;
        const log = line.startsWith('{') ? JSON.parse(line) : { msg: line };
        this.logs.push(log);
        if (this.port > 0 || !/^listening on/.test(log.msg ?? '')) return;
        this.port = Number(new URL(log.url).port);
        resolve(undefined);
      });
      void this.ended.then(() => reject(new Error(`the server ended:\n${this.text}`)));
    });
  }
}

/** The command's output, with its exit code. `input` goes to its stdin. */
export function runCommand(args, { env = {}, input = '', dist = BUILT, cwd = tmpdir() } = {}) {
  const child = spawn(process.execPath, [join(dist, 'cli', 'millrace.js'), ...args], {
    cwd,
    env: { ...cleanEnvironment(), ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function cleanEnvironment() {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_'));
  return Object.fromEntries(kept);
}
