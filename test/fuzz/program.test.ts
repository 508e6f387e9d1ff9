import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const FUZZERS = [
  'run',
  'bus/run',
  'cases/run',
  'checker/run',
  'checker/plants-run',
  'consumers/run',
  'faults/run',
  'faults/sinks',
  'faults/soak',
  'faults/storms',
  'faults/stuck',
  'redteam/run',
  'sinks/outbox',
  'sinks/projector',
  'storage/run',
];

function start(name: string, ...args: string[]) {
  const script = fileURLToPath(new URL(`../../fuzz/${name}.js`, import.meta.url));
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
}

describe('the command line of a fuzzer', () => {
  it.each(FUZZERS)('fuzz/%s.js says how it is used', (name) => {
    const help = start(name, '--help');
    expect(help.status).toBe(0);
    expect(help.stdout).toMatch(/^Usage: .*\n\n.*\.\n/);
    expect(help.stdout).toContain('--seed <n>');
  });

  it('refuses what it does not know, with a code of its own', () => {
    const wrong = start('run', '--seed', '-1');
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/^fuzz: option '--seed <n>' argument '-1' is invalid/);
    expect(start('run', '--nothing').status).toBe(2);
    const unknown = start('run', 'nobody');
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toMatch(/^fuzz: .*Allowed choices are bus, /);
  });
});
