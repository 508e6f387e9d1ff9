import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { DeclinedUpgrades } from '../../src/gateway/declined-upgrades.js';

/** Connections whose request for an upgrade was answered without one, at the close of the gateway. */

const H2C = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n';
const KEEP_ALIVE_MS = 3_600_000;

const server = createServer();
let client: Socket | undefined;

async function declined(answers: boolean): Promise<DeclinedUpgrades> {
  const upgrades = new DeclinedUpgrades((_, response) => {
    if (answers) response.end('ok');
    else response.write('begun');
  }, KEEP_ALIVE_MS);
  server.on('upgrade', (request, stream, head) => upgrades.take(request, stream, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.write(H2C);
  await once(client, 'data');
  return upgrades;
}

afterEach(() => {
  client?.destroy();
  server.removeAllListeners('upgrade');
  server.close();
});

it('a close ends an idle connection', async () => {
  const upgrades = await declined(true);
  const ended = once(client!, 'close');
  upgrades.close();
  await ended;
  upgrades.cut();
});

it('a close lets a request be answered; a cut ends its connection', async () => {
  const upgrades = await declined(false);
  const ended = once(
    client!.on('error', () => {}),
    'close',
  );
  upgrades.close();
  expect(client!.destroyed).toBe(false);
  upgrades.cut();
  await ended;
});
