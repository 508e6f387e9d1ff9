import { onTestFinished } from 'vitest';
import { RedisServer as Started } from '../../../fuzz/brokers/redis-server.js';
import { neededCommand } from '../../support/needed-command.js';

export const hasRedis =
  neededCommand('redis-server', 'the store on Redis, in test/stores/redis') !== undefined;

export class RedisServer extends Started {
  /** Ends with the test. */
  static async forTest(config: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
    return untilTheEnd(await Started.start(config));
  }

  /** A sentinel that watches a master of the name `main`, and ends with the test. */
  static override async sentinel(masterPort: number): Promise<RedisServer> {
    return untilTheEnd(await Started.sentinel(masterPort));
  }
}

function untilTheEnd(server: RedisServer): RedisServer {
  onTestFinished(() => server.dispose());
  return server;
}
