import { describe, expect, it } from 'vitest';
import { openTestBus } from '../bus/support/open.js';
import { SocketClient } from '../gateway/support/socket-client.js';
import { startServer } from './support/command.js';

const event = (id: string) => ({ topic: `t.${id.length}`, type: 'agent_log', payload: id, id });

/** Publishes without waiting for answers until the socket ends; the ids that were acknowledged. */
async function publishUntilClosed(client: SocketClient, name: string): Promise<Set<string>> {
  const acked = new Set<string>();
  let isOpen = true;
  void client.closed.then(() => {
    isOpen = false;
  });
  const take = async (): Promise<void> => {
    try {
      for (;;) {
        const { payload } = await client.next('published');
        for (const { id } of payload.acks) acked.add(id);
      }
    } catch {
      // The socket has closed, and everything that came before is taken.
    }
  };
  const taken = take();
  for (let n = 0; isOpen; n++) {
    client.send({ type: 'publish', payload: { event: event(`${name}-${n}`) } });
    if (n % 50 === 0) await new Promise(setImmediate);
  }
  await taken;
  return acked;
}

describe('serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s drains, answers what it accepted, keeps it, and exits with 0',
    async (signal) => {
      const server = await startServer(undefined, ['--shards', '2']);
      const clients = await Promise.all([1, 2, 3].map(() => SocketClient.open(server.port)));
      const published = clients.map((client, index) => publishUntilClosed(client, `c${index}`));
      await server.run(['pub', 'marker', '1']);
      server.child.kill(signal);
      // It ends with 1 by itself if it cannot drain within its 5 s.
      expect(await server.ended).toEqual({ code: 0, signal: null });
      const acked = (await Promise.all(published)).flatMap((ids) => [...ids]);
      expect(acked.length).toBeGreaterThan(0);
      for (const client of clients) expect((await client.closed).code).toBe(1001);
      const bus = await openTestBus({ dir: server.dir });
      const stored = new Set<string>();
      for await (const { id } of bus.read({ topic: 't.*' })) stored.add(id);
      await bus.close();
      expect(acked.filter((id) => !stored.has(id))).toEqual([]);
    },
  );

  it('keeps acknowledged events when it is killed', async () => {
    const server = await startServer(undefined, ['--shards', '2']);
    const client = await SocketClient.open(server.port);
    const published = publishUntilClosed(client, 'k');
    await server.run(['pub', 'marker', '1']);
    await server.stop('SIGKILL');
    const acked = [...(await published)];
    expect(acked.length).toBeGreaterThan(0);
    const again = await startServer(server.dir);
    const { stdout } = await again.run(['query', 't.*', '--limit', '1000000', '--json']);
    const stored = new Set(
      stdout.split('\n').map((line) => (line === '' ? '' : JSON.parse(line).id)),
    );
    expect(acked.filter((id) => !stored.has(id))).toEqual([]);
    expect(await again.stop()).toBe(0);
  });

  it('does not wait for a client that neither reads nor disconnects', async () => {
    const server = await startServer();
    const client = await SocketClient.open(server.port);
    await client.ask('subscribe', { subscription: 's', filter: '*', from: 'earliest' });
    client.socket.pause();
    const payload = 'x'.repeat(100_000);
    const input = Array(200).fill(JSON.stringify(payload)).join('\n');
    expect((await server.run(['pub', 'a', '-'], { input })).code).toBe(0);
    expect(await server.stop()).toBe(0);
    client.socket.terminate();
  });

  it('goes on after every kind of client error', async () => {
    const server = await startServer();
    for (const text of ['nonsense', '{"type":"publish"}', `${'['.repeat(100_000)}`]) {
      const client = await SocketClient.open(server.port);
      client.send(text);
      await client.next('error');
      client.socket.terminate();
    }
    expect((await server.run(['pub', 'a', '1'])).code).toBe(0);
    expect(server.logs.some(({ level }) => level === 'error')).toBe(false);
    expect(await server.stop()).toBe(0);
  });
});
