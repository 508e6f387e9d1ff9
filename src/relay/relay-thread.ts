/** The entry of a relay's thread, which main starts in the place of a desk's. */
import { workerData } from 'node:worker_threads';
import {
  ShardControl,
  ShardCounter,
  STATE,
  STATE_RUNNING,
  STATE_STOPPED,
} from '../link/shard-control.js';
import type { ShardReport, ShardThreadData } from '../link/shard-mail.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import type { ConsumerBrokerModule } from '../store/consumer-broker.js';
import type { ConsumerBrokerAddress } from '../store/log-store.js';
import { elapsedMs } from '../threads/elapsed.js';
import { Relay, RelayLost } from './relay.js';

/** The options of a relay: `ShardThreadData.log.options`. */
export interface RelayOptions {
  readonly broker: ConsumerBrokerAddress;
}

const data = workerData as ShardThreadData;
const { broker: address } = data.log.options as RelayOptions;
const { words, counters } = new ShardControl(data.control);

try {
  const module = (await import(address.module)) as ConsumerBrokerModule;
  const broker = await module.openConsumerBroker(address.options);
  const relay = new Relay(data, broker, {
    warn: (error) => report({ report: 'warning', error }),
  });
  begin();
  await relay.run();
  Atomics.store(words, STATE, STATE_STOPPED);
  relay.close();
  await broker.close();
  report({ report: 'stopped' });
} catch (error) {
  const isLost = error instanceof RelayLost;
  const code = error instanceof BusError ? error.code : isLost ? 'SHARD_RESTARTED' : 'STORE_FAILED';
  const message = messageOf(error);
  report({ report: 'failed', error: { code, message } });
}
process.exit();

function begin(): void {
  // What a desk of this node counted before is the owner's to tell now.
  for (const counter of [
    ShardCounter.consumers,
    ShardCounter.consumersPending,
    ShardCounter.consumersInFlight,
    ShardCounter.consumersWaiting,
    ShardCounter.consumersDead,
  ]) {
    counters[counter] = 0;
  }
  Atomics.store(words, STATE, STATE_RUNNING);
  report({ report: 'ready', head: 0, wentBackwardsFrom: undefined, forSuccessor: undefined });
  counters[ShardCounter.startedAt] = elapsedMs();
}

function report(what: ShardReport): void {
  data.mail.postMessage(what);
}
