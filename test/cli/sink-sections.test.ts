import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { moduleExports } from '../../src/cli/sinks/module-exports.js';
import { parseSinkSections } from '../../src/cli/sinks/sink-sections.js';
import { blocksOf } from '../docs/samples.js';
import { temporaryDirectory } from './support/command.js';

const SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
const VARIABLE = 'TEST_SINK_SECRET';
const FILE = 'c.json';

afterEach(() => {
  delete process.env[VARIABLE];
  delete process.env.TEST_BAD_SECRET;
});

const faultsOf = (sinks: unknown): readonly string[] => {
  const parsed = parseSinkSections(sinks, FILE);
  return 'faults' in parsed ? parsed.faults : [];
};

const webhook = {
  kind: 'webhook',
  consumer: { filter: 'orders.*', maxAttempts: 8 },
  url: 'https://example.com/hook',
  secret: { env: VARIABLE },
};

describe('the sinks of a config file', () => {
  it('are named sections of six kinds', () => {
    process.env[VARIABLE] = SECRET;
    const key = join(temporaryDirectory(), 'key');
    writeFileSync(key, 'sixteen bytes and a line break\n');
    const parsed = parseSinkSections(
      {
        hook: { ...webhook, headers: { 'x-api-key': { env: VARIABLE } }, onFailure: 'stop' },
        trail: {
          kind: 'audit',
          consumer: { name: 'auditor', filter: '*', from: 'earliest' },
          path: './audit',
          key: { file: key },
        },
        london: {
          kind: 'forward',
          consumer: { filter: '*', order: 'topic' },
          to: { url: 'https://london.example', token: { file: key } },
          here: 'paris',
          there: 'london',
        },
        own: { kind: 'module', module: './sink.js', options: { password: { env: VARIABLE } } },
        orders: { kind: 'outbox', db: './app.db', table: 'events', batch: 9, onPoison: 'stop' },
        balances: {
          kind: 'project',
          module: './balances.js',
          db: './balances.db',
          consumer: { filter: 'accounts.*', order: 'topic' },
          attempts: 3,
        },
      },
      FILE,
    );
    if ('faults' in parsed) throw new Error(parsed.faults.join('\n'));
    const [hook, trail, london, own, orders, balances] = parsed.sections;
    expect(hook).toMatchObject({ name: 'hook', onFailure: 'stop', consumer: { name: 'hook' } });
    expect(hook!.options()).toMatchObject({ secret: SECRET, headers: { 'x-api-key': SECRET } });
    expect(trail).toMatchObject({ onFailure: 'retry', consumer: { name: 'auditor' } });
    // A key is bytes, as `verify-audit --key-file` reads it; a token is text without the file's line break.
    expect(Buffer.from(trail!.options().key as Buffer).toString()).toMatch(/\n$/);
    expect(london!.options().to).toMatchObject({ token: 'sixteen bytes and a line break' });
    expect(own).toMatchObject({ module: './sink.js', consumer: undefined });
    expect(own!.options()).toEqual({ password: SECRET });
    expect(orders).toMatchObject({ consumer: undefined, module: undefined });
    expect(orders!.options()).toEqual({
      db: './app.db',
      table: 'events',
      batch: 9,
      onPoison: 'stop',
    });
    expect(balances).toMatchObject({ module: './balances.js', consumer: { name: 'balances' } });
    expect(balances!.options()).toEqual({ db: './balances.db', attempts: 3 });
    expect(parseSinkSections(undefined, FILE)).toEqual({ sections: [] });
  });

  it('name every fault with its place, and show no secret', () => {
    process.env[VARIABLE] = SECRET;
    process.env.TEST_BAD_SECRET = 'hunter2';
    const cases: [sinks: unknown, faults: RegExp[]][] = [
      [[], [/^sinks: is an empty array, and should be an object of sections$/]],
      [{ 'a.b': webhook }, [/^sinks\.a\.b: a name has 1 to 64 characters/]],
      [{ a: 7 }, [/^sinks\.a: is 7, and should be an object$/]],
      [
        { a: {} },
        [/^sinks\.a\.kind: is undefined, and should be one of "webhook"/, /consumer: is/],
      ],
      [
        { a: { ...webhook, secret: { env: 'TEST_BAD_SECRET' } } },
        [/^sinks\.a\.secret: has to be "whsec_"/],
      ],
      [{ a: { ...webhook, secret: { env: 'TEST_UNSET' } } }, [/secret: .*TEST_UNSET is not set$/]],
      [{ a: { ...webhook, secret: { file: '/none' } } }, [/^sinks\.a\.secret: ENOENT/]],
      [{ a: { ...webhook, secret: SECRET } }, [/secret: has to be \{ "env": NAME \}/]],
      [
        { a: { ...webhook, secret: [{ env: VARIABLE }, 'hunter2'] } },
        [/^sinks\.a\.secret\.1: has to be \{ "env": NAME \}/],
      ],
      [{ a: { ...webhook, onFailure: 'ignore' } }, [/onFailure: is "ignore"/]],
      [{ a: { ...webhook, idOf: 'x' } }, [/^sinks\.a\.idOf: cannot be set in a config file$/]],
      [
        { a: { ...webhook, consumer: { filter: 'a', maxAttemps: 3, update: true } } },
        [/consumer\.update: is unknown/, /consumer\.maxAttemps: is unknown \(did you/],
      ],
      [{ a: { ...webhook, consumer: { filter: 'a..b' } } }, [/^sinks\.a\.consumer: .*a\.\.b/]],
      [{ a: { ...webhook, consumer: { name: '$x', filter: 'a' } } }, [/consumer\.name: /]],
      [{ a: { ...webhook, module: 'x' } }, [/module: goes with the kinds "module" and "project"/]],
      [{ a: { kind: 'outbox' } }, [/^sinks\.a\.db: is null, and should be the path/]],
      [{ a: { kind: 'outbox', db: ':memory:' } }, [/^sinks\.a\.db: is ":memory:"/]],
      [
        { a: { kind: 'outbox', db: 'x', consumer: {}, bus: 1, table: 'a b', onPoison: 'dead' } },
        [/consumer: does not go with kind/, /bus: cannot be set/, /table: has to/, /onPoison: /],
      ],
      [
        { a: { kind: 'project', db: '', consumer: { filter: 'a' }, apply: 'x', batch: 0 } },
        [/module: is undefined/, /apply: cannot be set/, /db: is/, /batch: /],
      ],
      [{ a: { kind: 'module' } }, [/module: is undefined, and should be a path/]],
      [{ a: { kind: 'module', module: 'x', optoins: {} } }, [/optoins: is unknown \(did you mean/]],
      [{ a: { kind: 'module', module: 'x', options: 7 } }, [/options: is 7/]],
      [
        { a: { kind: 'module', module: 'x', options: { pass: { env: 'TEST_UNSET' } } } },
        [/^sinks\.a\.options\.pass: the environment variable TEST_UNSET is not set$/],
      ],
      [
        { a: { kind: 'audit', consumer: { filter: '*' }, path: '', rotateBytes: 1 } },
        [/^sinks\.a\.path: has to be a path/, /^sinks\.a\.rotateBytes: has to be/],
      ],
      [
        { a: { kind: 'forward', consumer: { filter: '*' }, to: { url: 'x' }, here: 'a' } },
        [/^sinks\.a\.to: has no url/],
      ],
    ];
    for (const [sinks, expected] of cases) {
      const faults = faultsOf(sinks);
      expect(faults.length, faults.join('\n')).toBe(expected.length);
      for (const fault of expected) expect(faults.join('\n')).toMatch(new RegExp(fault, 'm'));
      expect(faults.join('\n')).not.toContain('hunter2');
    }
  });

  it('name the file and their place in it for what is found wrong once the server runs', async () => {
    process.env[VARIABLE] = SECRET;
    const options = { password: { env: VARIABLE } };
    const sinks = { hook: webhook, own: { kind: 'module', module: './none.js', options } };
    const parsed = parseSinkSections(sinks, FILE);
    if ('faults' in parsed) throw new Error(parsed.faults.join('\n'));
    const [hook, own] = parsed.sections;
    delete process.env[VARIABLE];
    const message = (place: string) =>
      `config file c.json: sinks.${place}: the environment variable ${VARIABLE} is not set`;
    expect(() => hook!.options()).toThrow(message('hook.secret'));
    expect(() => own!.options()).toThrow(message('own.options.password'));
    await expect(moduleExports(own!.module!, own!.place)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(
        /^config file c\.json: sinks\.own\.module: there is no file \/.*none\.js$/,
      ),
    });
  });

  it('are as the documents show them', () => {
    process.env[VARIABLE] = SECRET;
    const { privateKey } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
      publicKeyEncoding: { format: 'pem', type: 'spki' },
    });
    const key = join(temporaryDirectory(), 'key.pem');
    writeFileSync(key, privateKey);
    const [block] = blocksOf('docs/CLI.md', 'json').filter(({ text }) => text.includes('"sinks"'));
    const text = block!.text
      .replaceAll(/"(?:ACME_SECRET|LONDON_TOKEN)"/g, `"${VARIABLE}"`)
      .replaceAll(/"\/run\/secrets\/audit.pem"/g, JSON.stringify(key))
      .replaceAll(/\{ "file": "\/run[^}]*\}/g, `{ "env": "${VARIABLE}" }`);
    const { sinks } = JSON.parse(text);
    expect(faultsOf(sinks)).toEqual([]);
    expect(Object.keys(sinks)).toHaveLength(6);
  });

  it('are of a bounded number', () => {
    process.env[VARIABLE] = SECRET;
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`s${n}`, webhook]));
    expect(faultsOf(many)).toEqual(['sinks: has 101 sections; 100 is the limit']);
  });
});
