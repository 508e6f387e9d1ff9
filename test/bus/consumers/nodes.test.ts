import { memoryBroker } from '../../testing/subjects.js';
import { nodeChecks } from './node-checks.js';

nodeChecks('of a broker in memory', () => {
  const broker = memoryBroker({ shards: 2, consumers: true });
  return { connect: () => broker.connect(), dispose: () => broker.close() };
});
