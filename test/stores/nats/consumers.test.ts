import { afterAll, beforeAll, describe } from 'vitest';
import { nodeChecks } from '../../bus/consumers/node-checks.js';
import { consumerBrokerChecks } from '../../testing/consumer-broker-checks.js';
import { natsStore, newPrefix } from './support/nats.js';
import { NatsServer, natsServerPath } from './support/server.js';

describe.runIf(natsServerPath !== undefined)('what NATS keeps for consumers', () => {
  let server: NatsServer;

  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.dispose());

  consumerBrokerChecks('on NATS', {
    create: () => ({ store: natsStore({ servers: server.url, prefix: newPrefix(), shards: 2 }) }),
  });

  nodeChecks('on NATS', () => {
    const prefix = newPrefix();
    return { connect: () => natsStore({ servers: server.url, prefix, shards: 2 }) };
  });
});
