import { consumerBrokerChecks } from './consumer-broker-checks.js';
import { memoryBroker } from './subjects.js';

consumerBrokerChecks('of a broker in memory', {
  create() {
    const broker = memoryBroker({ shards: 2, consumers: true });
    return { store: broker.connect(), dispose: () => broker.close() };
  },
});
