import { afterEach } from 'vitest';
import { Gateway } from '../../../src/gateway/gateway.js';
import type { GatewayLog } from '../../../src/main/gateway-messages.js';
import type { GatewayOptions } from '../../../src/main/gateway-options.js';
import { FakeEndpoint } from './fake-endpoint.js';
import { SocketClient } from './socket-client.js';

const closers: (() => Promise<void>)[] = [];

export interface TestGateway {
  readonly endpoint: FakeEndpoint;
  readonly gateway: Gateway;
  readonly port: number;
  readonly logs: GatewayLog[];
  connect(): Promise<SocketClient>;
}

/** A gateway over a fake endpoint, on a free port, with real sockets. It is closed after the test. */
export async function openGateway(options: GatewayOptions = {}): Promise<TestGateway> {
  const endpoint = new FakeEndpoint();
  const logs: GatewayLog[] = [];
  const gateway = new Gateway(endpoint, { port: 0, ...options }, (level, message, fields) => {
    logs.push({ level, message, fields });
  });
  await gateway.listen();
  closers.push(() => gateway.close());
  const { port } = gateway;
  return { endpoint, gateway, port, logs, connect: () => SocketClient.open(port) };
}

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});
