import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatewayLog } from '../../src/main/gateway-messages.js';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { openTestBus } from '../bus/support/open.js';
import { openGateway } from './support/open-gateway.js';
import { SocketClient } from './support/socket-client.js';

const operator = newKey({ name: 'operator', admin: ['*'] });
const reader = newKey({ name: 'reader', subscribe: ['*'] });

function keysFile(): string {
  const path = join(temporaryDirectory(), 'keys.json');
  writeKeys(path, operator, reader);
  return path;
}

async function as(port: number, key: string): Promise<SocketClient> {
  const client = new SocketClient(port, { headers: { authorization: `Bearer ${key}` } });
  await client.next('welcome');
  return client;
}

async function failEverySignIn(port: number): Promise<void> {
  const url = `http://127.0.0.1:${port}/v1/topics`;
  await fetch(url);
  await fetch(url, { headers: { authorization: 'Bearer mr_forged' } });
  await fetch(url, { headers: { authorization: 'Basic nonsense' } });
  const client = new SocketClient(port);
  await client.next('welcome');
  client.send({ type: 'authenticate', payload: { token: 'mr_secret_text' } });
  await client.closed;
  const silent = new SocketClient(port);
  await silent.next('welcome');
  silent.send({ type: 'ping' });
  await silent.closed;
  const atOnce = new SocketClient(port, { headers: { authorization: 'Bearer mr_forged' } });
  await atOnce.closed;
}

const lines = (logs: readonly GatewayLog[]) =>
  logs.filter(({ message }) => message === 'audit').map(({ fields }) => fields);

describe('a gateway with audit: true', () => {
  it('logs failed sign-ins, their address and reason, and no token', async () => {
    const { port, logs } = await openGateway({ auth: { keysFile: keysFile() }, audit: true });
    await failEverySignIn(port);
    const told = lines(logs);
    expect(told.map(({ result }) => result)).toEqual([
      ...['missing', 'refused', 'refused', 'refused', 'missing', 'refused'],
    ]);
    for (const fields of told) {
      expect(fields).toMatchObject({ act: 'sign-in', address: '127.0.0.1' });
      expect(String(fields.reason)).not.toBe('');
    }
    expect(JSON.stringify(logs)).not.toMatch(/mr_forged|mr_secret_text/);
  });

  it('logs administrative acts: the principal, its address, the act and its result', async () => {
    const { port, logs, endpoint } = await openGateway({
      auth: { keysFile: keysFile() },
      audit: true,
    });
    const may = await as(port, operator.key);
    await may.ask('prune', { pattern: 'a.*', before: '2026-01-01T00:00:00Z' });
    await may.ask('backup', { dir: 'relative' });
    const mayNot = await as(port, reader.key);
    await mayNot.ask('prune', { pattern: 'a.*', before: '2026-01-01T00:00:00Z' });
    const who = { address: '127.0.0.1', principal: 'operator' };
    expect(lines(logs)).toMatchObject([
      { act: 'prune', result: 'done', what: '"a.*"', ...who },
      { act: 'backup', result: 'failed', what: '"relative"', code: 'OPTION_INVALID', ...who },
      { act: 'prune', result: 'refused', principal: 'reader', code: 'FORBIDDEN' },
    ]);
    expect(endpoint.administered).toHaveLength(1);
  });

  it('writes no such lines without the option', async () => {
    const { port, logs } = await openGateway({ auth: { keysFile: keysFile() } });
    await failEverySignIn(port);
    expect(lines(logs)).toEqual([]);
  });
});

it('the metrics count failed sign-ins and administrative acts, also without the audit log', async () => {
  const bus = await openTestBus({ shards: 1 });
  const { port } = await bus.serve({ port: 0, auth: { keysFile: keysFile() } });
  await failEverySignIn(port);
  const may = await as(port, operator.key);
  await may.ask('prune', { pattern: 'a.*', before: '2026-01-01T00:00:00Z' });
  await may.ask('backup', { dir: 'relative' });
  const mayNot = await as(port, reader.key);
  await mayNot.ask('backup', { dir: '/nowhere' });
  const headers = { authorization: `Bearer ${operator.key}` };
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`, { headers })).text();
  for (const line of [
    'millrace_auth_failures_total{reason="missing"} 2',
    'millrace_auth_failures_total{reason="refused"} 4',
    'millrace_auth_failures_total{reason="unavailable"} 0',
    'millrace_admin_total{act="prune",result="done"} 1',
    'millrace_admin_total{act="backup",result="failed"} 1',
    'millrace_admin_total{act="backup",result="refused"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});
