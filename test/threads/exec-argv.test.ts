import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { threadExecArgv } from '../../src/threads/exec-argv.js';
import { temporaryDirectory } from '../cli/support/command.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the flags of a thread', () => {
  it('are those of the process, but for the kind of its text', () => {
    const flags = ['--no-warnings', '--input-type=module', '--expose-gc'];
    expect(threadExecArgv(flags)).toEqual(['--no-warnings', '--expose-gc']);
    expect(threadExecArgv(['--input-type', 'module', '-e', 'x'])).toEqual(['-e', 'x']);
  });
});

describe('a program given on the command line', () => {
  const code = `
    import { openBus } from 'millrace';
    const bus = await openBus({ dir: process.argv[1] });
    await bus.publish({ topic: 'a', type: 'user_input', payload: 1 });
    const gateway = await bus.serve({ port: 0 });
    console.log((await bus.query({ topic: 'a' })).length, (await fetch(gateway.url + '/livez')).status);
    await bus.close();`;

  it.each([
    ['with --eval', (dir: string) => spawn(['--input-type=module', '--eval', code, dir])],
    ['by its standard input', (dir: string) => spawn(['--input-type', 'module', '-', dir], code)],
  ])('%s has its shards, its readers and its gateway', (_, run) => {
    expect(run(temporaryDirectory())).toMatchObject({ status: 0, stderr: '', stdout: '1 200\n' });
  });
});

function spawn(args: string[], input?: string) {
  const options = { cwd: ROOT, encoding: 'utf8', timeout: 20_000 } as const;
  return spawnSync(process.execPath, args, input === undefined ? options : { ...options, input });
}
