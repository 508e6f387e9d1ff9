import { describe, expect, it } from 'vitest';
import { TcpProxy } from '../client/support/proxy.js';
import { run, startServer, type TestServer } from './support/command.js';

/** `millrace consumers ack --publish`, against a server in a process of its own. */

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const objects = (text: string) => lines(text).map((line) => JSON.parse(line));

async function withJobs(count: number) {
  const server = await startServer(undefined, ['--shards', '1']);
  await server.run(['consumers', 'create', 'hand', '--filter', 'jobs']);
  await server.run(['pub', 'jobs', '-'], { input: '1\n'.repeat(count) });
  const pulled = await server.run(['consumers', 'pull', 'hand', '--max', `${count}`, '--json']);
  const leases: string[] = objects(pulled.stdout).map(({ lease }) => lease);
  expect(leases).toHaveLength(count);
  const ack = (args: readonly string[], input?: string) =>
    server.run(['consumers', 'ack', ...args], input === undefined ? {} : { input });
  return { server, leases, ack };
}

async function acked(server: TestServer): Promise<number> {
  const shown = await server.run(['consumers', 'show', 'hand', '--json']);
  return objects(shown.stdout)[0].acked;
}

const event = (topic: string, payload = '1', more = '') =>
  `{"topic":"${topic}","type":"job_done","payload":${payload}${more}}`;

describe('the command consumers ack --publish', () => {
  it('stores the ack and the events in one commit, and the payloads as they were written', async () => {
    const { server, leases, ack } = await withJobs(3);
    const [first, second, third] = leases as [string, string, string];
    const big = event('done.a', '9007199254740993', ',"id":"one"');
    const one = await ack([first, '--publish', big, '--publish', event('done.b')]);
    expect(one).toMatchObject({ code: 0, stderr: '' });
    expect(lines(one.stdout)).toHaveLength(2);
    expect(lines(one.stdout)[0]).toMatch(/^one {2}#0:4 {2}synced$/);
    const stored = await server.run(['query', 'done.*', '--json']);
    expect(stored.stdout).toContain('"payload":9007199254740993');
    // Events of the lines of stdin, one acknowledgement a line.
    const input = `${event('done.c')}\n\n  ${event('done.c')}\n`;
    const two = await ack([second, '--publish', '-', '--json', '--durability', 'written'], input);
    expect(objects(two.stdout)).toMatchObject([
      { lease: second, acks: [{ topic: 'done.c', durability: 'written' }, { sequence: 7 }] },
    ]);
    const terms = ['--expect', 'done.a:4', '--expect', 'done.d:none', '--delay', '1h'];
    const refused = await ack([third, '--publish', event('done.d'), ...terms]);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    const conflict = await ack([third, '--publish', event('done.a'), '--expect', 'none']);
    expect(conflict).toMatchObject({ code: 1, stdout: '' });
    expect(conflict.stderr).toContain('CONFLICT');
    const later = await ack([third, '--publish', event('done.e'), '--delay', '1h']);
    expect(later.stdout).toContain('waits until');
    expect(objects((await server.run(['scheduled', '--json'])).stdout)).toHaveLength(1);
    const late = await ack([third, '--publish', event('done.f'), '--json']);
    expect(objects(late.stdout)).toMatchObject([{ lease: third, code: 'LEASE_LOST' }]);
    expect(late.code).toBe(1);
    expect(objects((await server.run(['query', 'done.f', '--json'])).stdout)).toEqual([]);
    expect(await acked(server)).toBe(3);
  });

  it('expects something of each topic', async () => {
    const { server, leases, ack } = await withJobs(1);
    const events = ['--publish', event('done.a'), '--publish', event('done.b')];
    const expected = ['--expect', 'done.a:none', '--expect', 'done.b:none'];
    const scoped = ['--id-scope', 'source'];
    expect(await ack([leases[0]!, ...events, ...expected, ...scoped])).toMatchObject({ code: 0 });
    expect(await acked(server)).toBe(1);
  });

  it('says what may be stored if the answer is lost, and a repeat with ids is answered as the first', async () => {
    const { server, leases } = await withJobs(1);
    const proxy = await TcpProxy.start(server.port);
    proxy.cutsAt = (from, bytes) => from === 'server' && bytes.includes('"type":"published"');
    const publish = event('done.a', '1', ',"id":"one"');
    const args = ['consumers', 'ack', leases[0]!, '--publish', publish];
    const cut = await run([...args, '--server', proxy.url]);
    expect(cut).toMatchObject({ code: 1, stdout: '' });
    expect(cut.stderr).toMatch(/was lost.*stored together, or neither is/);
    const again = await server.run([...args, '--json']);
    expect(objects(again.stdout)).toMatchObject([{ acks: [{ id: 'one', duplicate: true }] }]);
    expect(lines((await server.run(['query', 'done.*'])).stdout)).toHaveLength(1);
    expect(await acked(server)).toBe(1);
  });

  it('refuses what it cannot send, with a usage error', async () => {
    const server = await startServer(undefined, ['--shards', '1']);
    const cases: [string[], RegExp][] = [
      [['--publish', '{"topic"'], /--publish 1 is no JSON/],
      [['--publish', event('a'), '--publish', '[]'], /--publish 2 .*object/],
      [['--publish', '-'], /stdin has no events/],
      [['--publish', '-', '--publish', event('a')], /--publish -/],
      [['x.0.1.2', '--publish', event('a')], /one lease/],
      [['--expect', 'none'], /--publish/],
      [['--delay', '1h'], /--publish/],
      [['--publish', event('a'), '--expect', '1', '--expect', 'a:1'], /--expect/],
      [['--publish', '{"topic":"a","payload":1}'], /type/],
    ];
    for (const [args, message] of cases) {
      const outcome = await server.run(['consumers', 'ack', 'x.0.1.1', ...args]);
      expect(outcome, args.join(' ')).toMatchObject({ code: 2, stdout: '' });
      expect(outcome.stderr, args.join(' ')).toMatch(message);
    }
    const line = event('a', `"${'x'.repeat(700_000)}"`);
    const large = await server.run(['consumers', 'ack', 'x.0.1.1', '--publish', '-'], {
      input: `${line}\n${line}\n`,
    });
    expect(large).toMatchObject({ code: 2, stdout: '' });
    expect(large.stderr).toContain('PAYLOAD_TOO_LARGE');
  });
});
