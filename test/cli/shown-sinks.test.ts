import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sinkLines } from '../../src/cli/sink-lines.js';
import type { SinkFigures } from '../../src/protocol/sink-figures.js';
import { sinkListOf } from '../../src/protocol/sink-list.js';
import { until } from '../bus/support/wait.js';
import { accept, answer, startReceiver } from '../sinks/webhook/support/receiver.js';
import { startServer, temporaryDirectory } from './support/command.js';

/** The sinks of a server, as its operator sees them on the command line. */

const SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;
const objects = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

function configFile(sinks: object): string[] {
  const file = join(temporaryDirectory(), 'millrace.config.json');
  writeFileSync(file, JSON.stringify({ sinks }));
  return ['--config', file];
}

const SINK: SinkFigures = {
  ...{ name: 'hook', kind: 'webhook', endpoint: 'e', done: 1234, failed: 7, restarts: 1 },
  state: 'waiting',
  target: `https://example.com/${'long/'.repeat(20)}`,
  pending: 3,
  lastDoneAt: new Date().toISOString(),
  lastError: { code: 'SINK_FAILED', message: 'HTTP 503\u001b[2J' },
  retryAt: '2026-11-29T08:00:00.000Z',
};

describe('the sinks of a server', () => {
  it('are shown by stats and top: that one is refused, why, and that it goes on', async () => {
    let isOpen = false;
    const receiver = await startReceiver((...one) => (isOpen ? accept : answer(503, 'no'))(...one));
    const server = await startServer(
      undefined,
      configFile({
        hook: {
          kind: 'webhook',
          consumer: { filter: 'orders.*', from: 'earliest', backoffMs: [100], maxAttempts: 1000 },
          url: `${receiver.url}?key=s3cr3t`,
          secret: { env: 'HOOK_SECRET' },
          allow: ['loopback'],
        },
        rows: { kind: 'outbox', db: join(temporaryDirectory(), 'missing.db') },
      }),
      { HOOK_SECRET: SECRET },
    );
    await server.run(['pub', 'orders.new', '1']);
    const statsOf = async () =>
      JSON.parse(await (await fetch(`${server.url}/v1/stats`)).text()).sinks;
    await until('both wait', async () => {
      const { list } = await statsOf();
      return list.length === 2 && list[0].pending === 1 && list[1].retryAt !== undefined;
    });
    expect(await statsOf()).toMatchObject({
      ...{ count: 2, failed: 0, waiting: 2 },
      list: [
        {
          ...{ name: 'hook', kind: 'webhook', state: 'waiting', consumer: 'hook', done: 0 },
          target: `${receiver.url}?…`,
          lastError: { message: 'webhook hook: HTTP 503 Service Unavailable: no' },
        },
        { name: 'rows', kind: 'outbox', lastError: { code: 'SINK_FAILED' } },
      ],
    });
    const readable = await server.run(['stats']);
    expect(readable.stdout).toMatch(/^hook +webhook +waiting +0 +\d+ +1 +- +http:\S+\?…$/m);
    expect(readable.stdout).toMatch(/^ {2}SINK_FAILED: webhook hook: HTTP 503 .*no$/m);
    expect(readable.stdout).toMatch(
      /^ {2}SINK_FAILED: unable to open database file; starts again at 20\S+Z$/m,
    );
    const top = await server.run(['top', '--count', '1']);
    expect(top.stdout).toMatch(/ sinks 2 {2}waiting 2$/m);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/^millrace_sink_pending\{sink="hook",kind="webhook"\} 1$/m);
    expect(metrics).toMatch(/^millrace_sink_up\{sink="hook",kind="webhook"\} 1$/m);
    expect(metrics).toMatch(/^millrace_sink_up\{sink="rows",kind="outbox"\} 0$/m);
    isOpen = true;
    await until('it goes on', async () => {
      const [one, two] = (await statsOf()).list;
      const hasGoneOn = two.name === 'hook' && two.done === 1 && two.state === 'running';
      return hasGoneOn && two.pending === 0 && one.restarts > 0;
    });
    const [look] = objects((await server.run(['top', '--count', '1', '--json'])).stdout);
    expect(look.sinks.list[1]).toMatchObject({ name: 'hook', done: 1, pending: 0 });
    const told = [readable, top, await server.run(['stats', '--json'])].map(({ stdout }) => stdout);
    expect(`${told.join()}${metrics}`).not.toMatch(/s3cr3t/);
    expect(`${told.join()}${metrics}`).not.toContain(SECRET.slice(6));
    expect(await server.stop()).toBe(0);
  });

  it('are a table of bounded width and length, with nothing that a terminal obeys', () => {
    const list = sinkListOf([SINK, { ...SINK, name: 'rows', state: 'running' }]);
    const lines = sinkLines(list, 1);
    expect(lines).toHaveLength(4);
    expect(lines[1]).toMatch(/^hook +webhook +waiting +1,234 +7 +3 +\d+ m?s ago +https:.{41}…$/);
    expect(lines[2]).toBe(
      '  SINK_FAILED: HTTP 503\\u001b[2J; starts again at 2026-11-29T08:00:00.000Z',
    );
    expect(lines[3]).toBe('and 1 more');
    expect(sinkLines(sinkListOf([]))).toEqual([]);
  });
});
