import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

/** The built command in processes of its own, as a shell would run it. */

export const BIN = fileURLToPath(new URL('../../../dist/cli/millrace.js', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const children = new Set<ChildProcess>();
const directories = new Set<string>();

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  directories.add(directory);
  return directory;
}

/** Starts a command; it is killed after the test if it still runs. */
export function start(args: readonly string[], options: RunOptions = {}): ChildProcess {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: cleanEnvironment(options.env),
    // A directory without a config file, unless the test has put one there.
    cwd: options.cwd ?? tmpdir(),
  });
  children.add(child);
  child.once('close', () => children.delete(child));
  child.stdin.on('error', () => {});
  return child;
}

/** Runs a command to its end. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = start(args, options);
  const outcome = outcomeOf(child);
  child.stdin?.end(options.input ?? '');
  return outcome;
}

export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly child: ChildProcess;
  /** The lines of the log. */
  readonly logs: { msg: string; level: string }[];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Runs a client command against it. */
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `millrace serve` in a directory, on a free port, and waits until it listens. */
export async function startServer(
  dir = temporaryDirectory(),
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  return { ...(await startServing(['--dir', dir, ...args], env)), dir };
}

/** As `startServer`, with events where these flags say. */
export async function startServing(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Omit<TestServer, 'dir'>> {
  const child = start(['serve', '--port', '0', ...args], { env });
  const logs: { msg: string; level: string; url?: string }[] = [];
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      const log = line.startsWith('{') ? JSON.parse(line) : { msg: line, level: 'text' };
      logs.push(log);
      if (log.url !== undefined) resolve(log.url);
    });
    void ended.then(() => reject(new Error(`serve ended: ${JSON.stringify(logs)}`)));
  });
  const port = Number(new URL(url).port);
  return {
    url,
    port,
    child,
    logs,
    ended,
    run: (command, options = {}) =>
      run(command, { ...options, env: { MILLRACE_SERVER: url, ...options.env } }),
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return (await ended).code;
    },
  };
}

function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_'));
  return { ...Object.fromEntries(kept), ...extra };
}

afterEach(async () => {
  const left = [...children];
  await Promise.all(
    left.map((child) => {
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      return closed;
    }),
  );
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
});
