import { afterAll, beforeAll, describe, it } from 'vitest';
import { storeChecks } from '../../testing/subjects.js';
import { onNats } from './support/nats.js';
import { NatsServer, natsServerPath } from './support/server.js';

describe.runIf(natsServerPath !== undefined)('the store on NATS JetStream', () => {
  let server: NatsServer;

  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.dispose());

  for (const { name, run } of storeChecks(onNats(() => [server.url]))) it(name, run);
});
