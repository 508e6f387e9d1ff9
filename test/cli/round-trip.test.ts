import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { outcomeOf, start, startServer, type TestServer } from './support/command.js';

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const events = (text: string) => lines(text).map((line) => JSON.parse(line));

async function publishNumbers(server: TestServer, topic: string, count: number): Promise<void> {
  const input = Array.from({ length: count }, (_, n) => String(n)).join('\n');
  const { code } = await server.run(['pub', topic, '-'], { input });
  expect(code).toBe(0);
}

describe('pub, sub and query', () => {
  it('carry an event with all its fields', async () => {
    const server = await startServer();
    const fields = ['--type', 'task_created', '--source', 'ada', '--id', 'my-id'];
    const ties = ['--correlation-id', 'run 1', '--causation-id', 'c1'];
    const attributes = ['--attribute', 'agentId=7', '--attribute', 'note=a=b'];
    const args = ['pub', 'task.1', '{"n":[1,null]}', ...fields, ...ties, ...attributes];
    const first = await server.run([...args, '--json']);
    expect(first.code).toBe(0);
    const ack = JSON.parse(first.stdout);
    expect(ack).toMatchObject({ id: 'my-id', topic: 'task.1', sequence: 1, duplicate: false });
    expect(JSON.parse((await server.run([...args, '--json'])).stdout)).toEqual({
      ...ack,
      duplicate: true,
    });
    const { stdout } = await server.run(['query', 'task.*', '--json']);
    expect(events(stdout)).toEqual([
      {
        id: 'my-id',
        topic: 'task.1',
        type: 'task_created',
        payload: { n: [1, null] },
        source: 'ada',
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
        correlationId: 'run 1',
        causationId: 'c1',
        attributes: { agentId: '7', note: 'a=b' },
        shard: ack.shard,
        sequence: 1,
      },
    ]);
  });

  it('print the newest event of each topic', async () => {
    const server = await startServer();
    await publishNumbers(server, 'a.1', 3);
    await publishNumbers(server, 'a.2', 2);
    const newest = await server.run(['latest', 'a.*', '--json']);
    expect(events(newest.stdout)).toMatchObject([
      { topic: 'a.1', payload: 2 },
      { topic: 'a.2', payload: 1 },
    ]);
    const only = await server.run(['latest', '*', '--reverse', '--limit', '1', '--json']);
    expect(events(only.stdout)).toMatchObject([{ topic: 'a.2' }]);
  });

  it('publish on terms, alone and as a group', async () => {
    const server = await startServer();
    expect((await server.run(['pub', 'a.1', '1', '--expect', 'none'])).code).toBe(0);
    const conflict = await server.run(['pub', 'a.1', '2', '--expect', 'none']);
    expect(conflict.code).toBe(1);
    expect(conflict.stderr).toContain('its last event is 1, and none was expected');
    const group = ['pub', 'a.1', '-', '--atomic', '--expect', '1', '--json'];
    const first = await server.run(group, { input: '2\n3\n' });
    expect(events(first.stdout)).toMatchObject([{ sequence: 2 }, { sequence: 3 }]);
    expect((await server.run(group, { input: '4\n5\n' })).code).toBe(1);
    // A faulty line leaves nothing of its group behind.
    const faulty = await server.run(['pub', 'a.1', '-', '--atomic'], { input: '4\n{"a":\n' });
    expect(faulty.code).not.toBe(0);
    const { stdout } = await server.run(['query', 'a.*', '--json']);
    expect(events(stdout).map(({ payload }) => payload)).toEqual([1, 2, 3]);
    expect((await server.run(['pub', 'a.1', '-', '--expect', '1'], { input: '1\n' })).code).toBe(2);
    expect((await server.run(['pub', 'a.1', '1', '--expect', 'last'])).code).toBe(2);
  });

  it('get one event by its id, and say if there is none', async () => {
    const server = await startServer();
    await server.run(['pub', 'task.1', '{"big":9007199254740993}', '--id', 'one']);
    for (const topic of ['task.1', 'task.*', '*']) {
      const { code, stdout } = await server.run(['get', topic, 'one', '--json']);
      expect(code).toBe(0);
      expect(stdout).toContain('"payload":{"big":9007199254740993}');
    }
    const absent = await server.run(['get', 'task.2', 'one']);
    expect([absent.code, absent.stdout]).toEqual([1, '']);
    expect(absent.stderr).toContain('there is no event one on task.2');
    expect((await server.run(['get', 'task.1'])).code).toBe(2);
  });

  it('take a body as JSON or as text', async () => {
    const server = await startServer();
    for (const args of [['{"a":1}'], ['hello'], ['12'], ['12', '--text'], ['{x', '--text'], []]) {
      expect((await server.run(['pub', 'a', ...args])).code).toBe(0);
    }
    const { stdout } = await server.run(['query', 'a', '--json']);
    const payloads = events(stdout).map(({ payload }) => payload);
    expect(payloads).toEqual([{ a: 1 }, 'hello', 12, '12', '{x', null]);
  });

  it('publish one event a line from stdin, and count, and repeat', async () => {
    const server = await startServer();
    const input = Array.from({ length: 10_000 }, (_, n) => JSON.stringify({ n })).join('\n');
    const piped = await server.run(['pub', 'in', '-', '--json'], { input: `${input}\n\n` });
    expect(piped.code).toBe(0);
    expect(lines(piped.stdout)).toHaveLength(10_000);
    expect(piped.stderr).toContain('published 10000 events');
    const query = await server.run(['query', 'in', '--limit', '20000', '--json']);
    expect(events(query.stdout).map(({ payload }) => payload.n)).toEqual(
      Array.from({ length: 10_000 }, (_, n) => n),
    );
    const some = await server.run(['pub', 'some', '-', '--count', '3'], { input: '1\n2\n3\n4\n' });
    expect(some.stderr).toContain('published 3 events');
    const repeated = await server.run(['pub', 'again', 'x', '--count', '600', '--rate', '100000']);
    expect(repeated.stderr).toContain('published 600 events');
    const bad = await server.run(['pub', 'bad', '-'], { input: '1\n{"broken\n' });
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain('JSON');
  });

  it('say which line of stdin is faulty, and go on from there', async () => {
    const server = await startServer();
    const broken = '1\n\n2\n{"broken\n4\n';
    const first = await server.run(['pub', 'a', '-'], { input: broken });
    expect(first.code).toBe(2);
    expect(first.stderr).toMatch(/line 4: the body starts like JSON .*--from-line 4\./);
    const mended = broken.replace('{"broken', '3');
    const rest = await server.run(['pub', 'a', '-', '--from-line', '4'], { input: mended });
    expect(rest.stderr).toContain('published 2 events');
    const { stdout } = await server.run(['query', 'a', '--json']);
    expect(events(stdout).map(({ payload }) => payload)).toEqual([1, 2, 3, 4]);
    const one = await server.run(['pub', 'a', '1', '--from-line', '2']);
    expect(one).toMatchObject({ code: 2, stderr: expect.stringContaining('--from-line is for') });
  });

  it('say which lines of stdin the server did not answer before it was lost', async () => {
    const server = await startServer();
    const child = start(['pub', 'a', '-', '--json', '-s', server.url]);
    const reader = createInterface({ input: child.stdout! });
    child.stdin?.write('1\n2\n');
    await once(reader, 'line');
    await server.stop();
    child.stdin?.end('3\n');
    const { code, stderr } = await outcomeOf(child);
    expect(code).toBe(1);
    expect(stderr).toMatch(/line 3: .*go on with --from-line 3\./);
  });

  it('print each line of stdin as it comes, not when stdin ends', async () => {
    const server = await startServer();
    const child = start(['pub', 'a', '-', '--json', '-s', server.url]);
    const reader = createInterface({ input: child.stdout! });
    for (let n = 1; n <= 3; n++) {
      child.stdin?.write(`${n}\n`);
      const [line] = await once(reader, 'line');
      expect(JSON.parse(line)).toMatchObject({ topic: 'a' });
    }
    child.stdin?.end();
    expect((await outcomeOf(child)).code).toBe(0);
  });

  it('refuse a payload that is too large, and give its number', async () => {
    const server = await startServer();
    const input = `1\n"${'x'.repeat(1024 * 1024)}"\n`;
    const { code, stderr } = await server.run(['pub', 'a', '-'], { input });
    expect(code).toBe(2);
    expect(stderr).toMatch(/payload 2 .*PAYLOAD_TOO_LARGE/);
  });

  it('print readable lines without control characters', async () => {
    const server = await startServer();
    const source = 'evil\u001b[2J\u0007';
    await server.run(['pub', 'a.b', '{"text":"\\u001b[31mred"}', '--source', source]);
    const { stdout } = await server.run(['query', '*']);
    expect(stdout).toMatch(/^\d{4}-\d{2}-\d{2}T.*Z {2}a\.b {2}user_input {2}.* {2}#\d+:1 {2}.*red/);
    expect(stdout.trimEnd()).not.toMatch(/\p{Cc}/u);
  });
});

describe('sub', () => {
  it('prints live events until it has printed enough', async () => {
    const server = await startServer();
    const child = start(['sub', 'live.*', '--json', '--count', '3', '-s', server.url]);
    const outcome = outcomeOf(child);
    await subscribed(server);
    await publishNumbers(server, 'live.x', 5);
    const { code, stdout } = await outcome;
    expect(code).toBe(0);
    expect(events(stdout).map(({ payload }) => payload)).toEqual([0, 1, 2]);
  });

  it('starts at --from, and goes on from a cursor', async () => {
    const server = await startServer();
    await publishNumbers(server, 'n', 20);
    const payloads = async (...args: string[]) => {
      const outcome = await server.run(['sub', 'n', '--json', ...args]);
      expect(outcome.code).toBe(0);
      return { ...outcome, payloads: events(outcome.stdout).map(({ payload }) => payload) };
    };
    expect((await payloads('--from', 'earliest', '--count', '2')).payloads).toEqual([0, 1]);
    expect((await payloads('--from', 'last:3', '--count', '3')).payloads).toEqual([17, 18, 19]);
    expect((await payloads('--from', 'since:1h', '--count', '1')).payloads).toEqual([0]);
    const whole = await payloads('--from', 'earliest', '--count', '20');
    const [, cursor] = /--from after:(\S+)/.exec(whole.stderr) ?? [];
    await publishNumbers(server, 'n', 2);
    expect((await payloads('--from', `after:${cursor}`, '--count', '2')).payloads).toEqual([0, 1]);
  });

  it('starts with the newest event of each topic', async () => {
    const server = await startServer();
    await publishNumbers(server, 'a.1', 3);
    await publishNumbers(server, 'a.2', 2);
    const { stdout } = await server.run([
      'sub',
      'a.*',
      '--from',
      'latest',
      '--count',
      '2',
      '--json',
    ]);
    expect(events(stdout)).toMatchObject([
      { topic: 'a.1', payload: 2 },
      { topic: 'a.2', payload: 1 },
    ]);
  });

  it('filters by type, category, source, correlation and attribute', async () => {
    const server = await startServer();
    const publish = (body: string, ...args: string[]) => server.run(['pub', 'f', body, ...args]);
    await publish('1', '--type', 'task_created', '--attribute', 'agentId=7');
    await publish('2', '--type', 'task_failed', '--source', 'ada', '--correlation-id', 'r');
    await publish('3', '--type', 'agent_log', '--attribute', 'agentId=8');
    const cases: readonly (readonly [args: string[], payloads: number[]])[] = [
      [
        ['--type', 'task_created', '--type', 'agent_log'],
        [1, 3],
      ],
      [
        ['--category', 'task'],
        [1, 2],
      ],
      [['--source', 'ada'], [2]],
      [['--correlation-id', 'r'], [2]],
      [
        ['--attribute', 'agentId=7', '--attribute', 'agentId=8'],
        [1, 3],
      ],
    ];
    for (const [args, expected] of cases) {
      const count = String(expected.length);
      const all = ['sub', 'f', '--json', '--from', 'earliest', '--count', count, ...args];
      const { stdout } = await server.run(all);
      expect(events(stdout).map(({ payload }) => payload)).toEqual(expected);
    }
  });

  it('ends with 0 on SIGINT, and with 1 and its cursor when the server is lost', async () => {
    const server = await startServer();
    await publishNumbers(server, 'n', 1);
    const both = [0, 1].map(() => {
      const child = start(['sub', 'n', '--from', 'earliest', '-s', server.url]);
      const printed = once(child.stdout!, 'data');
      return { child, printed, outcome: outcomeOf(child) };
    });
    await Promise.all(both.map(({ printed }) => printed));
    both[0]!.child.kill('SIGINT');
    expect((await both[0]!.outcome).code).toBe(0);
    await server.stop('SIGKILL');
    const { code, stderr } = await both[1]!.outcome;
    expect(code).toBe(1);
    expect(stderr).toContain('was lost');
    expect(stderr).toMatch(/--from after:\S+/);
  });
});

/** Waits until the server has a subscriber; the command itself says nothing while it waits. */
async function subscribed(server: TestServer): Promise<void> {
  while (!server.logs.some(({ msg }) => msg === 'connection opened')) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { SocketClient } = await import('../gateway/support/socket-client.js');
  const client = await SocketClient.open(server.port);
  for (let n = 0; ; n++) {
    const { payload } = await client.ask('stats', {}, n);
    if (payload.stats.subscriptions > 0) break;
  }
  await client.close();
}
