import { neededCommand } from '../../../support/needed-command.js';

/** nats-server, on a free loopback port, with a directory of its own. */
export const natsServerPath = neededCommand('nats-server', 'test/stores/nats');

export {
  NatsServer,
  type NatsServerOptions,
  startNatsCluster as startCluster,
} from '../../../../fuzz/brokers/nats-server.js';
