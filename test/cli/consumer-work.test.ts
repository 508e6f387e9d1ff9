import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { ConsumerServer } from '../client/support/consumer-server.js';
import { outcomeOf, run, start, temporaryDirectory } from './support/command.js';

/** `millrace consumers work`, against a server whose every frame a test can choose. */

/** A shell command that exits as the payload says, and prints what it was given. */
const EXIT_BY_PAYLOAD = `node -e '
  const event = JSON.parse(require("fs").readFileSync(0, "utf8"));
  console.log("job", event.payload, process.env.MILLRACE_ATTEMPT);
  console.error("log", event.payload);
  process.exitCode = [0, 75, 65, 3][event.payload - 1];
'`;

const lines = (text: string): string[] => text.trimEnd().split('\n');

describe('the command consumers work', () => {
  it('runs a command for each job, whose exit code says what becomes of it', async () => {
    const server = await ConsumerServer.start();
    server.add(1, 2, 3, 4);
    const outcome = await run([
      ...['consumers', 'work', 'worker', '-s', server.url, '--count', '4'],
      ...['--concurrency', '2', '--name', 'w', '--exec', EXIT_BY_PAYLOAD],
    ]);
    expect(outcome.code).toBe(0);
    expect(lines(outcome.stdout).sort()).toEqual(['job 1 1', 'job 2 1', 'job 3 1', 'job 4 1']);
    for (const job of [1, 2, 3, 4]) expect(outcome.stderr).toContain(`log ${job}\n`);
    expect(outcome.stderr).toContain('1 done, 2 to come again, 1 dead, 0 lost');
    const settled = server.settled.map(({ sequence, kind, reason }) => [sequence, kind, reason]);
    expect(settled.sort()).toEqual([
      [1, 'ack', undefined],
      [2, 'nak', 'exit code 75'],
      [3, 'term', 'exit code 65'],
      [4, 'nak', 'exit code 3'],
    ]);
    const { payload } = server.server.asked.find(({ type }) => type === 'join')!;
    expect(payload).toMatchObject({ consumer: 'worker', concurrency: 2, name: 'w' });
  });

  it('prints one object for each job with --json, and what the commands print on stderr', async () => {
    const server = await ConsumerServer.start();
    server.add(1, 4);
    const outcome = await run([
      ...['consumers', 'work', 'worker', '-s', server.url, '--count', '2', '--json'],
      ...['--exec', EXIT_BY_PAYLOAD],
    ]);
    expect(lines(outcome.stdout).map((line) => JSON.parse(line))).toMatchObject([
      { id: 'e1', topic: 'a', attempt: 1, outcome: 'ack', exitCode: 0, signal: null },
      { id: 'e4', outcome: 'nak', exitCode: 3 },
    ]);
    expect(outcome.stderr).toContain('job 1 1\n');
  });

  it('ends a command whose lease is lost, and goes on with the next server', async () => {
    const server = await ConsumerServer.start();
    const cwd = temporaryDirectory();
    const exec = '[ -e begun ] || { touch begun; exec sleep 600; }';
    const args = ['consumers', 'work', 'worker', '-s', server.url, '--count', '2', '--json'];
    const ended = outcomeOf(start([...args, '--exec', exec], { cwd }));
    server.add(1);
    await until('it works', () => existsSync(join(cwd, 'begun')));
    server.cut();
    const { code, stdout, stderr } = await ended;
    expect(stderr).toContain('trying again');
    expect(code).toBe(0);
    expect(lines(stdout).map((line) => JSON.parse(line))).toMatchObject([
      { id: 'e1', outcome: 'lost', signal: 'SIGTERM' },
      { id: 'e1', outcome: 'ack', exitCode: 0 },
    ]);
    expect(server.server.count('join')).toBe(2);
  });

  it('waits on SIGTERM for the commands that run, and takes no more', async () => {
    const server = await ConsumerServer.start();
    const cwd = temporaryDirectory();
    const exec = 'echo begun; read line; until [ -e go ]; do sleep 0.05; done';
    const child = start(['consumers', 'work', 'worker', '-s', server.url, '--exec', exec], { cwd });
    const ended = outcomeOf(child);
    server.add(1, 2);
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    child.kill('SIGTERM');
    await until('it leaves', () => server.server.count('leave') === 1);
    writeFileSync(join(cwd, 'go'), '');
    expect(await ended).toMatchObject({ code: 0, stdout: 'begun\n' });
    expect(server.acked).toEqual([1]);
  });

  it('fails if there is no server', async () => {
    const { code, stderr } = await run([
      ...['consumers', 'work', 'worker', '-s', '127.0.0.1:9', '--exec', 'true'],
    ]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('there is no server at'),
    });
  });
});
