import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { run, startServer } from './support/command.js';

/** Every command of `consumers` and `schedules`: its help, what it says without a server, and its refusal. */

/** Each test runs a process for each command, one after the other. */
const MANY_PROCESSES_MS = 600_000;

interface Case {
  readonly args: readonly string[];
  readonly code: 1 | 2;
  readonly says: string;
}

const unknown = (...args: readonly string[]): Case => ({ args, code: 1, says: 'CONSUMER_UNKNOWN' });
const lost = (...args: readonly string[]): Case => ({ args, code: 1, says: 'LEASE_LOST' });
const LEASE = 'x.0.1.1';

/** By command, a call that the server refuses. */
const CASES: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  consumers: {
    list: { args: ['mailer'], code: 2, says: 'too many arguments' },
    show: unknown('nobody'),
    create: { args: ['a..b', '--filter', 'x'], code: 2, says: 'OPTION_INVALID' },
    work: unknown('nobody', '--exec', 'cat'),
    pull: unknown('nobody'),
    ack: lost(LEASE),
    nak: lost(LEASE),
    term: lost(LEASE, '--reason', 'x'),
    open: unknown('nobody'),
    dead: unknown('nobody'),
    'held-keys': unknown('nobody'),
    redrive: unknown('nobody', '--dry-run'),
    pause: unknown('nobody'),
    resume: unknown('nobody'),
    seek: unknown('nobody', '--from', 'now'),
    skip: unknown('nobody', '0:1'),
    delete: unknown('nobody'),
  },
  schedules: {
    list: { args: ['nightly'], code: 2, says: 'too many arguments' },
    set: { args: ['nightly', 'a', '--cron', '0 0 30 2 *'], code: 2, says: 'OPTION_INVALID' },
    next: { args: ['nightly'], code: 1, says: 'SCHEDULE_UNKNOWN' },
    pause: { args: ['nightly'], code: 1, says: 'SCHEDULE_UNKNOWN' },
    resume: { args: ['nightly'], code: 1, says: 'SCHEDULE_UNKNOWN' },
    delete: { args: ['a', 'b'], code: 2, says: 'too many arguments' },
  },
};

describe.each(Object.keys(CASES))('each command of %s', (parent) => {
  const cases = Object.entries(CASES[parent]!);

  it('is in this table', () => {
    const { commands } = createProgram().commands.find((one) => one.name() === parent)!;
    const names = commands.map((one) => one.name()).filter((name) => name !== 'help');
    expect(names.sort()).toEqual(cases.map(([name]) => name).sort());
  });

  it('has a help that names its arguments and its options', {
    timeout: MANY_PROCESSES_MS,
  }, async () => {
    const { commands } = createProgram().commands.find((one) => one.name() === parent)!;
    for (const command of commands) {
      const name = command.name();
      const { code, stdout, stderr } = await run([parent, name, '--help']);
      expect({ code, stderr }, name).toEqual({ code: 0, stderr: '' });
      expect(stdout, name).toContain(`Usage: millrace ${parent} ${name}`);
      expect(stdout, name).toContain(command.description().split(' ').slice(0, 3).join(' '));
      for (const { long } of command.options) expect(stdout, name).toContain(long);
      for (const argument of command.registeredArguments) {
        expect(stdout, name).toContain(argument.name());
      }
    }
  });

  it('says what the server refuses, and prints no data', {
    timeout: MANY_PROCESSES_MS,
  }, async () => {
    const server = await startServer();
    for (const [name, { args, code, says }] of cases) {
      const refused = await server.run([parent, name, ...args]);
      expect(refused.stderr, name).toContain(says);
      expect({ code: refused.code, stdout: refused.stdout }, name).toEqual({ code, stdout: '' });
    }
  });

  it('says that there is no server', { timeout: MANY_PROCESSES_MS }, async () => {
    const away = ['--server', 'http://127.0.0.1:9', '--timeout', '5s'];
    for (const [name, { args, says }] of cases) {
      if (says === 'too many arguments') continue;
      const { code, stdout, stderr } = await run([parent, name, ...args, ...away]);
      expect(stderr, name).toContain('there is no server at http://127.0.0.1:9');
      expect({ code, stdout }, name).toEqual({ code: 1, stdout: '' });
    }
  });
});
