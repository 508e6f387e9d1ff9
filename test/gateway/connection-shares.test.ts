import { expect, it } from 'vitest';
import { openGateway } from './support/open-gateway.js';
import { SocketClient } from './support/socket-client.js';

it('gives a host that connects from a new IPv6 address each time a single share of the connections', async () => {
  const { port } = await openGateway({
    trustedProxies: ['loopback'],
    maxConnectionsPerAddress: 2,
    auth: { anonymous: {} },
  });
  const connect = async (address: string): Promise<number> => {
    const client = new SocketClient(port, { headers: { 'x-forwarded-for': address } });
    return new Promise((resolve) => {
      client.socket.once('open', () => resolve(101));
      client.socket.once('unexpected-response', (_, { statusCode }) => resolve(statusCode ?? 0));
    });
  };
  const one = ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:2::3'];
  const statuses: number[] = [];
  for (const address of [...one, '2001:db8:1:3::1']) statuses.push(await connect(address));
  expect(statuses).toEqual([101, 101, 429, 101]);
});
