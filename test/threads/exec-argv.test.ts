import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { threadFlags } from '../../src/threads/exec-argv.js';
import { temporaryDirectory } from '../cli/support/command.js';

/** Flags that a thread inherits and may not be given. */
const HEAP = ['--expose-gc', '--max-old-space-size=512'];
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the flags of a thread', () => {
  it('are those of the process, but where they name the kind of its text', () => {
    expect(threadFlags(['--no-warnings', '--expose-gc'])).toEqual({});
    expect(threadFlags(['--expose-gc', '--input-type=module'])).toEqual({ execArgv: [] });
    expect(threadFlags(['--input-type', 'module', '-e', 'x'])).toEqual({ execArgv: [] });
  });
});

describe('a program given on the command line', () => {
  const code = `
    import { openBus } from 'millrace';
    const bus = await openBus({ dir: process.argv.at(-1) });
    await bus.publish({ topic: 'a', type: 'user_input', payload: 1 });
    const gateway = await bus.serve({ port: 0 });
    console.log((await bus.query({ topic: 'a' })).length, (await fetch(gateway.url + '/livez')).status);
    await bus.close();`;

  it.each([
    ['with --eval', (dir: string) => spawn(['--input-type=module', '--eval', code, dir])],
    ['with flags', (dir: string) => spawn([...HEAP, '--input-type=module', '--eval', code, dir])],
    ['by its standard input', (dir: string) => spawn(['--input-type', 'module', '-', dir], code)],
  ])('%s has its shards, its readers and its gateway', (_, run) => {
    expect(run(temporaryDirectory())).toMatchObject({ status: 0, stderr: '', stdout: '1 200\n' });
  });
});

function spawn(args: string[], input?: string) {
  const options = { cwd: ROOT, encoding: 'utf8', timeout: 20_000 } as const;
  return spawnSync(process.execPath, args, input === undefined ? options : { ...options, input });
}
