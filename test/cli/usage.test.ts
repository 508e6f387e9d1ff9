import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { outcomeOf, run, start, startServer, temporaryDirectory } from './support/command.js';

const COMMANDS = [
  ['serve', 'pub', 'sub', 'query', 'topics', 'stats', 'top', 'bench', 'connections', 'consumers'],
  ['verify', 'verify-audit', 'backup', 'restore', 'prune', 'reshard', 'token', 'doctor'],
].flat();

describe('wrong usage', () => {
  it('gives exit code 2, a reason on stderr and nothing on stdout', async () => {
    const cases: readonly (readonly [args: string[], reason: RegExp])[] = [
      [[], /Usage/],
      [['nonsense'], /unknown command/],
      [['pub'], /missing required argument/],
      [['pub', 'a', 'b', 'c'], /too many arguments/],
      [['pub', 'a', '--nonsense'], /unknown option/],
      [['pub', 'a', '1', '--count', '0'], /--count.*0.*at least 1/],
      [['pub', 'a', '1', '--count', '1.5'], /--count.*1\.5/],
      [['pub', 'a', '1', '--rate', 'fast'], /--rate.*fast/],
      [['pub', 'a', '1', '--attribute', 'x'], /key=value/],
      [['pub', 'a', '1', '--attribute', 'k=1', '--attribute', 'k=2'], /more than one value/],
      [['pub', 'a', '1', '--id', 'x', '--count', '2'], /--id is for one event/],
      [['pub', 'a', '1', '--durability', 'none'], /synced, written/],
      [['pub', 'a', '{"broken":'], /starts like JSON/],
      [['pub', 'a', '1', '--timeout', 'soon'], /--timeout.*soon/],
      [['pub', 'a', '1', '--server', 'ftp://x'], /--server.*ftp/],
      [['sub'], /missing required argument/],
      [['sub', 'a', '--from', 'yesterday'], /--from.*yesterday/],
      [['sub', 'a', '--from', 'last:0'], /at least 1/],
      [['sub', 'a', '--from', 'after:'], /--from/],
      [['sub', 'a', '--from', 'since:often'], /since|time/],
      [['query', 'a', '--limit', 'all'], /--limit.*all/],
      [['query', 'a', '--since', '2026-13-01'], /--since/],
      [['serve', '--port', '65536'], /--port.*65536/],
      [['serve', '--shards', '0'], /--shards.*0/],
      [['serve', '--shards', '55'], /--shards.*55.*from 1 to 16/],
      [['serve', '--log-level', 'loud'], /loud/],
      [['serve', '--host', '0.0.0.0', '--dir', temporaryDirectory()], /INSECURE_BIND/],
      [['serve', 'data'], /takes no argument.*--dir: millrace serve --dir data/],
      [['serve', '--config', 'none.json'], /config file none\.json: there is none/],
      [
        ['serve', '--keys-file', 'none.json', '--dir', temporaryDirectory()],
        /there is no file .*none\.json.*`millrace token key` makes one/,
      ],
      [['verify'], /missing required argument/],
      [['reshard', 'x'], /required option/],
      [['consumers', 'nonsense'], /unknown command 'nonsense'\n\(there are list, show, create, /],
      [
        ['consumers', 'lits'],
        /unknown command 'lits'\n\(Did you mean list\?\)\n\(there are list, /,
      ],
      [['consumers', 'crate', 'c', '--filter', 'a'], /'crate'\n\(Did you mean create\?\)/],
      [['consumers', 'list', 'c'], /too many arguments for 'list'/],
      [['scheduled', 'cancle', 'x'], /Did you mean cancel\?\)\n\(there are list, cancel\)/],
      [['schedules', 'lst'], /Did you mean list\?/],
      [['alerts', 'sett'], /Did you mean set\?/],
      [['token', 'sgn'], /unknown command 'sgn'\n\(there are key, jwt, list, revoke\)/],
      [['consumers', 'show'], /missing required argument/],
      [['consumers', 'create', 'c'], /--filter/],
      [['consumers', 'create', 'c', '--filter', 'a', '--lease', 'soon'], /--lease.*soon/],
      [['consumers', 'create', 'c', '--filter', 'a', '--backoff', '1s,,2s'], /empty duration/],
      [['consumers', 'create', 'c', '--filter', 'a', '--max-attempts', '0'], /from 1 to 1000/],
      [['consumers', 'work', 'c'], /--exec/],
      [
        ['consumers', 'pull', 'c', '--wait', '31s'],
        /'--wait <duration>' argument '31s' is invalid. It is not a duration of at most 30s/,
      ],
      [['consumers', 'term', 'x'], /--reason/],
      [['consumers', 'seek', 'c'], /--from/],
      [['consumers', 'skip', 'c', 'first'], /first is no event, such as 0:17/],
    ];
    for (const [args, reason] of cases) {
      const { code, stdout, stderr } = await run(args);
      expect(stderr, args.join(' ')).toMatch(reason);
      expect({ code, stdout }, args.join(' ')).toEqual({ code: 2, stdout: '' });
    }
  });

  it('includes faults that only the server can find', async () => {
    const server = await startServer();
    const cases: readonly (readonly [args: string[], code: string])[] = [
      [['pub', 'a..b', '1'], 'TOPIC_INVALID'],
      [['pub', '$sys.x', '1'], 'TOPIC_INVALID'],
      [['pub', 'a', '1', '--type', 'Not Snake'], 'EVENT_INVALID'],
      [['pub', 'a', '1', '--id', 'a b'], 'EVENT_INVALID'],
      [['sub', 'a.*b'], 'PATTERN_INVALID'],
      [['sub', 'a', '--from', 'after:nonsense'], 'CURSOR_INVALID'],
      [['query', 'a', '--type', 'X Y'], 'FILTER_INVALID|QUERY_INVALID'],
      [['query', 'a', '--after', 'nonsense'], 'CURSOR_INVALID'],
    ];
    expect(server.logs.filter(({ msg }) => msg.includes('listening'))).toHaveLength(1);
    for (const [args, errorCode] of cases) {
      const { code, stdout, stderr } = await server.run(args);
      // The command line had no list, so the error must not name a place in one.
      expect(stderr).not.toContain('events[');
      expect(stderr, args.join(' ')).toMatch(new RegExp(errorCode));
      expect({ code, stdout }, args.join(' ')).toEqual({ code: 2, stdout: '' });
    }
    expect((await server.run(['query', '*'])).stdout).toBe('');
  });
});

describe('a server', () => {
  it('without TLS is named as such, if https is asked for', async () => {
    const server = await startServer();
    const url = server.url.replace('http:', 'https:');
    const { code, stderr } = await run(['stats', '--server', url]);
    expect(stderr).toMatch(/^millrace: https:\S+ speaks no TLS; try http: instead\n$/);
    expect(code).toBe(1);
  });
});

describe('help', () => {
  it('is there for every command, on stdout, with exit code 0', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of COMMANDS) {
      expect(stdout).toContain(`  ${command} `);
      const help = await run([command, '--help']);
      expect(help.code).toBe(0);
      expect(help.stdout).toContain(`Usage: millrace ${command}`);
      expect(help.stderr).toBe('');
    }
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('an option', () => {
  it('shows its default once', async () => {
    for (const command of COMMANDS) {
      const { stdout } = await run([command, '--help']);
      const options = stdout.replaceAll(/\s+/g, ' ').split(/ (?=-\w, --|--\w)/);
      for (const option of options) {
        expect(option.match(/default/g)?.length ?? 0, option).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe('a failure', () => {
  it('gives exit code 1 and a message that says what to do', async () => {
    const args = ['--server', 'http://127.0.0.1:9', '--timeout', '5s'];
    for (const command of [
      ['pub', 'a', '1'],
      ['sub', 'a'],
      ['query', 'a'],
    ]) {
      const { code, stdout, stderr } = await run([...command, ...args]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('there is no server at http://127.0.0.1:9');
      expect(stderr).toContain('millrace serve');
    }
  });

  it('is reported for a server that is not Millrace', async () => {
    const { createServer } = await import('node:http');
    const other = createServer((_, response) => response.writeHead(404).end('nothing here'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const { code, stderr } = await run(['query', 'a', '-s', `127.0.0.1:${port}`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/404.*no millrace server/);
    other.close();
  });

  it('is reported for a server that accepts and never answers', async () => {
    const { createServer } = await import('node:net');
    const silent = createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    const { code, stderr } = await run(['query', 'a', '-s', url, '--timeout', '200ms']);
    expect(code).toBe(1);
    expect(stderr).toContain('200 ms');
    silent.close();
  });

  it('is reported for a directory that another server has open, and for a port in use', async () => {
    const server = await startServer();
    const locked = await run(['serve', '--dir', server.dir, '--port', '0']);
    expect(locked.code).toBe(1);
    expect(locked.stderr).toContain('STORE_LOCKED');
    const port = String(server.port);
    const taken = await run(['serve', '--dir', temporaryDirectory(), '--port', port]);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain(`port ${port}`);
  });
});

describe('settings', () => {
  it('come from flag, environment, config file and default, in this order', async () => {
    const server = await startServer();
    const dead = 'http://127.0.0.1:9';
    const cwd = temporaryDirectory();
    const config = (settings: object) =>
      writeFileSync(join(cwd, 'millrace.config.json'), JSON.stringify(settings));
    const query = async (args: string[], env: Record<string, string> = {}) =>
      (await run(['query', '*', ...args], { cwd, env })).code;
    config({ server: dead });
    expect(await query([])).toBe(1);
    expect(await query([], { MILLRACE_SERVER: server.url })).toBe(0);
    expect(await query(['-s', server.url], { MILLRACE_SERVER: dead })).toBe(0);
    config({ server: server.url, timeout: '5s' });
    expect(await query([])).toBe(0);
    expect(await query([], { MILLRACE_SERVER: dead })).toBe(1);
  });

  it('in a config file are checked, all at once', async () => {
    const file = join(temporaryDirectory(), 'c.json');
    writeFileSync(file, JSON.stringify({ port: 'x', shards: 0, nonsense: 1 }));
    const { code, stderr } = await run(['serve', '--config', file]);
    expect(code).toBe(2);
    for (const fault of ['port', 'shards', 'nonsense']) expect(stderr).toContain(fault);
    writeFileSync(file, JSON.stringify({ sinks: { hook: { kind: 'webhok' } } }));
    const sink = await run(['serve', '--config', file]);
    expect(sink.code).toBe(2);
    expect(sink.stderr).toContain(`config file ${file}:\n  sinks.hook.kind: is "webhok"`);
    writeFileSync(file, '{');
    expect((await run(['serve', '--config', file])).code).toBe(2);
    const missing = await run(['query', 'a'], { env: { MILLRACE_CONFIG: '/nonexistent.json' } });
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('/nonexistent.json');
    writeFileSync(file, JSON.stringify({ timeout: 'soon' }));
    const bad = await run(['query', 'a', '--config', file]);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain(`config file ${file}:\n  timeout: is "soon"`);
  });

  it('of a config file reach the server', async () => {
    const dir = temporaryDirectory();
    const file = join(dir, 'c.json');
    const settings = { shards: 3, noPersistTopics: ['live.*'], retention: [{ maxEvents: 1000 }] };
    writeFileSync(file, JSON.stringify(settings));
    const server = await startServer(join(dir, 'data'), ['--config', file]);
    expect(server.logs.find(({ msg }) => msg.startsWith('listening'))).toMatchObject({ shards: 3 });
    const { stdout } = await server.run(['pub', 'live.x', '1', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ durability: 'none' });
  });
});

describe('a reader that closes the pipe', () => {
  it('ends a command quietly', async () => {
    const server = await startServer();
    const input = Array.from({ length: 5000 }, (_, n) =>
      JSON.stringify({ n, text: 'x'.repeat(200) }),
    );
    expect((await server.run(['pub', 'a', '-'], { input: input.join('\n') })).code).toBe(0);
    const child = start(['query', '*', '--limit', '5000', '-s', server.url]);
    const outcome = outcomeOf(child);
    child.stdout?.once('data', () => child.stdout?.destroy());
    const { code, stderr } = await outcome;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
