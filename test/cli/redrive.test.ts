import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ask } from '../gateway/consumers/support.js';
import { neededCommand } from '../support/needed-command.js';
import { BIN, type Outcome, outcomeOf, startServer, type TestServer } from './support/command.js';

/** `millrace consumers redrive`, which asks a person at a terminal and does nothing without an answer. */

const script = neededCommand('script', 'what a command asks at a terminal');
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** A server with three dead events of the consumer `hand`. */
async function serverWithDead(): Promise<TestServer> {
  const server = await startServer(undefined, ['--shards', '1']);
  const { url } = server;
  await ask(url, 'PUT', '/v1/consumers/hand', { filter: 'jobs', from: 'earliest' });
  const events = [1, 2, 3].map((payload) => ({ topic: 'jobs', type: 'job', payload }));
  await ask(url, 'POST', '/v1/events', events);
  const leases: string[] = [];
  while (leases.length < 3) {
    const { body } = await ask(url, 'POST', '/v1/consumers/hand/pull', { max: 3, waitMs: 30_000 });
    leases.push(...body.map(({ lease }: { lease: string }) => lease));
  }
  const reason = 'no such order';
  const ended = await ask(url, 'POST', '/v1/consumers/hand/term', { leases, reason });
  expect(ended.body).toEqual({ results: [{}, {}, {}] });
  return server;
}

async function figures(server: TestServer): Promise<{ dead: number; pending: number }> {
  const { dead, pending } = (await ask(server.url, 'GET', '/v1/consumers/hand')).body;
  return { dead, pending };
}

/** Runs the command at a terminal of its own, and answers its question. */
async function atTerminal(server: TestServer, answer: string): Promise<Outcome> {
  const command = `'${process.execPath}' '${BIN}' consumers redrive hand --server '${server.url}'`;
  const child = spawn(script!, ['-qec', command, '/dev/null'], {
    env: { ...process.env, SHELL: '/bin/sh', TERM: 'dumb' },
  });
  const outcome = outcomeOf(child);
  let shown = '';
  let isAnswered = false;
  child.stdout.on('data', (text: string) => {
    shown += text;
    if (isAnswered || !shown.includes('Go on? [y/N]')) return;
    isAnswered = true;
    child.stdin.write(answer);
  });
  return outcome;
}

describe('the command consumers redrive', { timeout: 300_000 }, () => {
  it('does nothing where nobody can be asked, nor with --dry-run, and does it with --yes', async () => {
    const server = await serverWithDead();
    const before = { dead: 3, pending: 0 };
    const silent = await server.run(['consumers', 'redrive', 'hand'], { input: 'y\n' });
    expect(silent).toMatchObject({ code: 2, stdout: '' });
    expect(silent.stderr).toMatch(/3 dead events of hand would come again\n.*--yes/);
    expect(await figures(server)).toEqual(before);
    for (const more of [[], ['--yes']]) {
      const dry = await server.run(['consumers', 'redrive', 'hand', '--dry-run', ...more]);
      expect(dry).toMatchObject({ code: 0, stderr: 'millrace: 3 events would come again\n' });
      expect(lines(dry.stdout)).toHaveLength(4);
      expect(await figures(server)).toEqual(before);
    }
    const unknown = await server.run(['consumers', 'redrive', 'hand', '--yes', '--id', 'none']);
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.stderr).toContain('of no dead event: none');
    expect(await figures(server)).toEqual(before);
    const done = await server.run(['consumers', 'redrive', 'hand', '--yes', '--json']);
    expect(done).toMatchObject({ code: 0, stderr: 'millrace: 3 events come again\n' });
    expect(lines(done.stdout)).toHaveLength(3);
    expect(await figures(server)).toEqual({ dead: 0, pending: 3 });
    // Nothing is left to ask about.
    const again = await server.run(['consumers', 'redrive', 'hand']);
    expect(again).toMatchObject({ code: 0, stderr: 'millrace: 0 events would come again\n' });
  });

  it.runIf(script !== undefined)('asks at a terminal, and takes only a yes for one', async () => {
    const server = await serverWithDead();
    const END_OF_INPUT = '\u0004';
    for (const answer of ['n\n', '\n', 'yesterday\n', END_OF_INPUT]) {
      const { code, stdout } = await atTerminal(server, answer);
      const what = JSON.stringify(answer);
      expect(stdout, what).toContain('no such order');
      expect(stdout, what).toContain('nothing was done');
      expect(code, what).toBe(1);
      expect(await figures(server), what).toEqual({ dead: 3, pending: 0 });
    }
    const agreed = await atTerminal(server, 'Yes\n');
    expect(agreed.stdout).toContain('3 events come again');
    expect(agreed.code).toBe(0);
    expect(await figures(server)).toEqual({ dead: 0, pending: 3 });
  });
});
