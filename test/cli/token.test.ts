import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAuthenticator } from '../../src/auth/open-authenticator.js';
import {
  type Outcome,
  outcomeOf,
  run,
  start,
  startServer,
  temporaryDirectory,
} from './support/command.js';

function token(keysFile: string, ...args: readonly string[]): Promise<Outcome> {
  return run(['token', ...args], { env: { MILLRACE_KEYS_FILE: keysFile } });
}

function newKeysFile(): string {
  return join(temporaryDirectory(), 'keys.json');
}

async function mint(keysFile: string, name: string, ...args: readonly string[]) {
  const { code, stdout } = await token(keysFile, 'key', '--name', name, '--json', ...args);
  expect(code).toBe(0);
  return JSON.parse(stdout) as { id: string; key: string; name: string; expiresAt?: string };
}

describe('token key', () => {
  it('prints a working key once, and stores its hash in a file that only the owner can read', async () => {
    const keysFile = newKeysFile();
    const { code, stdout, stderr } = await token(
      keysFile,
      ...['key', '--name', 'ci', '--publish', 'build.*', 'log.+', '--publish', 'chat'],
      ...['--subscribe', '*', '--admin', 'build.*', '--source', 'ci-runner'],
      ...['--consume', 'jobs.*', 'mail'],
      ...['--redact', '$..secret', '--publish-per-second', '100', '--expires', '30d'],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mr_[0-9a-z]{16}_[\w-]{43}\n$/);
    const key = stdout.trim();
    expect(stderr).toContain(`"ci" is in ${keysFile}`);
    expect(stderr).not.toContain(key);
    expect(statSync(keysFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(keysFile, 'utf8')).not.toContain(key.slice(20));
    const authenticator = openAuthenticator({ keysFile });
    const principal = await authenticator.authenticate(key);
    expect(principal).toMatchObject({
      name: 'ci',
      forcedSource: 'ci-runner',
      redacts: true,
      rates: { publishPerSecond: 100 },
    });
    expect(principal.expiresAt! - Date.now()).toBeGreaterThan(29 * 86_400_000);
    for (const topic of ['build.x.y', 'log.x', 'chat'])
      expect(principal.mayPublish(topic)).toBe(true);
    expect(principal.mayPublish('other')).toBe(false);
    for (const name of ['jobs.x', 'mail']) expect(principal.mayConsume(name)).toBe(true);
    expect(principal.mayConsume('other')).toBe(false);
    expect(principal.mayAdminister('*')).toBe(false);
    authenticator.close();
  });

  it('keeps the existing keys, the mode of the file and a link to it', async () => {
    const directory = temporaryDirectory();
    const real = join(directory, 'real.json');
    const first = await mint(real, 'first', '--subscribe', '*');
    chmodSync(real, 0o640);
    const link = join(directory, 'link.json');
    symlinkSync('real.json', link);
    const second = await mint(link, 'second', '--publish', '*');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(real).mode & 0o777).toBe(0o640);
    const authenticator = openAuthenticator({ keysFile: real });
    for (const { key, name } of [first, second]) {
      expect((await authenticator.authenticate(key)).name).toBe(name);
    }
    authenticator.close();
    expect(readdirSync(directory).sort()).toEqual(['link.json', 'real.json']);
  });

  it('says that a key without grants may do nothing', async () => {
    const { code, stderr } = await token(newKeysFile(), 'key', '--name', 'x');
    expect(code).toBe(0);
    expect(stderr).toContain('may do nothing');
  });

  it('does not change a faulty file, or one that another process is changing', async () => {
    const keysFile = newKeysFile();
    writeFileSync(keysFile, '{"version":1,"keys":[{"id":"x"}', { mode: 0o600 });
    const faulty = await token(keysFile, 'key', '--name', 'x');
    expect(faulty).toMatchObject({ code: 1, stdout: '' });
    expect(faulty.stderr).toContain('is not JSON');
    expect(readFileSync(keysFile, 'utf8')).toBe('{"version":1,"keys":[{"id":"x"}');
    expect(existsSync(`${keysFile}.new`)).toBe(false);
    writeFileSync(keysFile, '{"version":1,"keys":[]}');
    writeFileSync(`${keysFile}.new`, 'of somebody else');
    const held = await token(keysFile, 'key', '--name', 'x');
    expect(held).toMatchObject({ code: 1, stdout: '' });
    expect(held.stderr).toContain(`${keysFile}.new exists`);
    expect(readFileSync(`${keysFile}.new`, 'utf8')).toBe('of somebody else');
    const missing = await token(join(keysFile, 'no', 'folder'), 'key', '--name', 'x');
    expect(missing).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('token list and revoke', () => {
  it('show the keys without their secrets, and remove keys', async () => {
    const keysFile = newKeysFile();
    const kept = await mint(keysFile, 'kept', '--publish', 'a', '--subscribe', '*');
    const gone = await mint(keysFile, 'gone\u001b[31m', '--expires', '1h');
    const list = await token(keysFile, 'list');
    expect(list.code).toBe(0);
    expect(list.stdout).toContain(`${kept.id}  kept  publish a  subscribe *\n`);
    expect(list.stdout).toContain(`${gone.id}  gone\\u001b[31m  expires ${gone.expiresAt}\n`);
    const asJson = (await token(keysFile, 'list', '--json')).stdout;
    expect(
      asJson
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).id),
    ).toEqual([kept.id, gone.id]);
    expect(list.stdout + asJson).not.toMatch(/sha256|mr_/);

    const authenticator = openAuthenticator({ keysFile });
    const principal = await authenticator.authenticate(gone.key);
    const told = new Promise((resolve) => authenticator.onRevoked(resolve));
    const revoke = await token(keysFile, 'revoke', gone.id);
    expect(revoke).toMatchObject({ code: 0, stdout: expect.stringContaining(gone.id) });
    expect(await told).toBe(principal);
    authenticator.close();
    expect((await token(keysFile, 'list')).stdout).not.toContain(gone.id);
  });

  it('change nothing if one of the ids is unknown', async () => {
    const keysFile = newKeysFile();
    const { id, key } = await mint(keysFile, 'a');
    const before = readFileSync(keysFile, 'utf8');
    const { code, stdout, stderr } = await token(keysFile, 'revoke', id, key);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('has no key with the id');
    expect(stderr).not.toContain(key.slice(20));
    expect(readFileSync(keysFile, 'utf8')).toBe(before);
    const missing = `${keysFile}-none`;
    for (const args of [['list'], ['revoke', id]]) {
      expect((await token(missing, ...args)).code).toBe(1);
      expect(existsSync(missing)).toBe(false);
    }
  });
});

describe('token jwt', () => {
  it('prints a working JWT', async () => {
    const secretFile = join(temporaryDirectory(), 'secret');
    writeFileSync(secretFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
    const args = ['--secret-file', secretFile, '--issuer', 'i', '--audience', 'a'];
    const outcome = await run([
      ...['token', 'jwt', ...args, '--subject', 'ada', '--expires', '1h'],
      ...['--publish', 'chat.*', '--subscribe', 'chat.*', '--source', 'ada'],
    ]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const jwt = { secretFile, issuer: 'i', audience: 'a' };
    const authenticator = openAuthenticator({ jwt });
    const principal = await authenticator.authenticate(outcome.stdout.trim());
    expect(principal).toMatchObject({ name: 'ada', forcedSource: 'ada' });
    expect(principal.mayPublish('chat.x')).toBe(true);
    expect(principal.mayPublish('x')).toBe(false);
    expect(principal.expiresAt! - Date.now()).toBeGreaterThan(3_500_000);
    const json = JSON.parse(
      (await run(['token', 'jwt', ...args, '--subject', 'b', '--json'])).stdout,
    );
    expect(json).toMatchObject({ issuer: 'i', audience: 'a', subject: 'b' });
    expect((await authenticator.authenticate(json.token)).expiresAt).toBe(
      Date.parse(json.expiresAt),
    );
  });

  it('refuses a secret that is missing or too short', async () => {
    const secretFile = join(temporaryDirectory(), 'secret');
    const args = ['--issuer', 'i', '--audience', 'a', '--subject', 's'];
    const make = () => run(['token', 'jwt', '--secret-file', secretFile, ...args]);
    expect(await make()).toMatchObject({ code: 1, stdout: '' });
    writeFileSync(secretFile, 'short', { mode: 0o600 });
    const short = await make();
    expect(short).toMatchObject({ code: 1, stdout: '' });
    expect(short.stderr).toContain('a secret of 5 bytes');
    expect(short.stderr).not.toContain('"short"');
  });
});

describe('a server with a keys file', () => {
  it('accepts a key, for what it grants, until it is revoked', async () => {
    const keysFile = newKeysFile();
    const reader = await mint(keysFile, 'reader', '--subscribe', 'a.*', '--redact', '$..secret');
    const writer = await mint(keysFile, 'writer', '--publish', 'a.*', '--source', 'forced');
    const server = await startServer(temporaryDirectory(), ['--keys-file', keysFile]);
    const as = (key: string | undefined, ...args: string[]) =>
      server.run(args, key === undefined ? {} : { env: { MILLRACE_TOKEN: key } });

    const nobody = await as(undefined, 'pub', 'a.b', '1');
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('asks for a token; give one with --token');
    const event = '{"secret":1,"open":2}';
    const stored = await as(writer.key, 'pub', 'a.b', event, '--source', 'other');
    expect(stored).toMatchObject({ code: 0 });
    for (const [key, args] of [
      [writer.key, ['pub', 'b', '1']],
      [writer.key, ['query', 'a.*']],
      [reader.key, ['pub', 'a.b', '1']],
      [reader.key, ['query', '*']],
      [reader.key, ['query', '+.b']],
    ] as const) {
      const { code, stdout, stderr } = await as(key, ...args);
      expect({ code, stdout }, args.join(' ')).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('FORBIDDEN');
    }
    const { stdout } = await as(reader.key, 'query', 'a.+', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      source: 'forced',
      payload: { secret: '[redacted]', open: 2 },
    });

    const args = ['sub', 'a.*', '--from', 'earliest', '--json', '-s', server.url];
    const child = start(args, { env: { MILLRACE_TOKEN: reader.key } });
    const ended = outcomeOf(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    expect((await token(keysFile, 'revoke', reader.id)).code).toBe(0);
    expect((await ended).code).toBe(1);
    expect((await as(reader.key, 'query', 'a.+')).stderr).toContain('UNAUTHENTICATED');
    expect(JSON.stringify(server.logs)).not.toMatch(/mr_[0-9a-z]{16}_/);
  });

  it('is configured by a file that `token` reads too, with all faults reported at once', async () => {
    const directory = temporaryDirectory();
    const config = join(directory, 'millrace.config.json');
    const keysFile = join(directory, 'keys.json');
    const auth = { keysFile, anonymous: { subscribe: ['public.*'] } };
    writeFileSync(config, JSON.stringify({ auth }));
    const made = await run(['token', 'key', '--name', 'x', '--publish', '*', '--config', config]);
    expect(made.code).toBe(0);
    expect(existsSync(keysFile)).toBe(true);
    const server = await startServer(temporaryDirectory(), ['--config', config]);
    const env = { MILLRACE_TOKEN: made.stdout.trim() };
    expect((await server.run(['pub', 'public.x', '1'], { env })).code).toBe(0);
    expect((await server.run(['query', 'public.*', '--json'])).stdout).toContain('"public.x"');
    expect((await server.run(['query', '*'])).stderr).toContain('FORBIDDEN');
    writeFileSync(
      config,
      JSON.stringify({ auth: { keysFile: 7, anonymous: { publish: ['a*'] } } }),
    );
    const faulty = await run(['serve', '--config', config]);
    expect(faulty.code).toBe(2);
    expect(faulty.stderr).toMatch(/auth\.keysFile.*auth\.anonymous\.publish\.0/s);
    const missing = await run(['serve', '--keys-file', join(directory, 'none')]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('ENOENT') });
  });
});

describe('token revoke --jwt', () => {
  it('revokes a JWT of `token jwt`, on a server that uses the file', async () => {
    const directory = temporaryDirectory();
    const [secretFile, revokedFile] = [join(directory, 'secret'), join(directory, 'revoked')];
    writeFileSync(secretFile, randomBytes(32).toString('base64'), { mode: 0o600 });
    const made = await run([
      ...['token', 'jwt', '--secret-file', secretFile, '--issuer', 'i', '--audience', 'a'],
      ...['--subject', 'ada', '--subscribe', '*', '--json'],
    ]);
    const { token: jwt, jti } = JSON.parse(made.stdout);
    const revoke = (...args: string[]) =>
      run(['token', 'revoke', '--jwt', '--revoked-file', revokedFile, ...args]);
    expect(await revoke('of-yesterday', '--expires', '1h')).toMatchObject({ code: 0 });
    const config = join(directory, 'config.json');
    const auth = { jwt: { secretFile, issuer: 'i', audience: 'a' } };
    writeFileSync(config, JSON.stringify({ auth }));
    const flags = ['--config', config, '--revoked-file', revokedFile];
    const server = await startServer(temporaryDirectory(), flags);
    const env = { MILLRACE_TOKEN: jwt };
    expect((await server.run(['query', '*'], { env })).code).toBe(0);
    const child = start(['sub', '*', '--json', '-s', server.url], { env });
    const ended = outcomeOf(child);
    expect(await revoke(jti)).toMatchObject({ code: 0, stdout: `${jti}\n` });
    expect((await ended).code).toBe(1);
    expect((await server.run(['query', '*'], { env })).stderr).toContain('UNAUTHENTICATED');
    expect(statSync(revokedFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(revokedFile, 'utf8')).toMatch(/^of-yesterday \d{4}-.*Z$/m);
    const wrong = await revoke(jwt);
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).not.toContain(jwt.slice(0, 20));
  });
});

describe('wrong usage of token', () => {
  it('gives exit code 2, all reasons on stderr and nothing on stdout', async () => {
    const keysFile = newKeysFile();
    const jwt = ['jwt', '--secret-file', 'x', '--issuer', 'i', '--audience', 'a', '--subject'];
    const cases: readonly (readonly [args: string[], reason: RegExp])[] = [
      [[], /Usage/],
      [['nonsense'], /unknown command/],
      [['key'], /--name/],
      [['key', '--name', ''], /--name: name is empty/],
      [['key', '--name', 'x', '--publish', 'a..b', 'c*'], /--publish: .*a\.\.b.*--publish: .*c\*/s],
      [
        ['key', '--name', 'x', '--redact', 'card', '--source', ''],
        /--source.*--redact|--redact.*--source/s,
      ],
      [['key', '--name', 'x', '--expires', 'soon'], /--expires.*soon/],
      [['key', '--name', 'x', '--expires', '0s'], /--expires.*1s to 100 years/],
      [['key', '--name', 'x', '--expires', '99999999d'], /100 years/],
      [['key', '--name', 'x', '--publish-per-second', '0'], /--publish-per-second/],
      [['key', '--name', 'x', 'y'], /too many arguments/],
      [['jwt'], /--secret-file/],
      [[...jwt.slice(0, -1)], /--subject/],
      [[...jwt, ''], /--subject: subject is empty/],
      [[...jwt, 'x', '--admin', '+a'], /--admin: /],
      [['revoke'], /missing required argument/],
      [['list', 'x'], /too many arguments/],
    ];
    for (const [args, reason] of cases) {
      const { code, stdout, stderr } = await token(keysFile, ...args);
      expect(stderr, args.join(' ')).toMatch(reason);
      expect({ code, stdout }, args.join(' ')).toEqual({ code: 2, stdout: '' });
    }
    expect(existsSync(keysFile)).toBe(false);
  });
});
