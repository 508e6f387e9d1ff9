import { BusError, defineTopic, type Event, openBus } from 'millrace';
import { connect } from 'millrace/client';
import { useSubscription } from 'millrace/react';
import { type Sink, BusError as SinkError } from 'millrace/sinks';
import { type LogStore, NOT_AT_HAND, pageOf } from 'millrace/store';
import { memoryBroker, type StoreCheck, storeChecks } from 'millrace/testing';

export async function run(): Promise<string> {
  const bus = await openBus({ dir: './data', shards: 2 });
  const ack = await bus.publish({ topic: 'a.b', type: 'agent_log', payload: { n: 1 } });
  const events: Event[] = await bus.query({ topic: 'a.*' });
  await bus.close();
  const client = connect('http://127.0.0.1:7400');
  await client.close();
  return `${ack.id} ${events.length} ${new BusError('TIMEOUT', 'x').code}`;
}

export const isSame: boolean = SinkError === BusError;
export const stop = (sink: Sink): Promise<void> => sink.stop();

export const hooks = { useSubscription, defineTopic, NOT_AT_HAND, pageOf };

export function checks(): readonly StoreCheck[] {
  const store: LogStore = memoryBroker().connect();
  const subject = { isShared: true, keeps: true, hasPruning: false };
  void openBus({ store }).then((bus) => bus.close());
  return storeChecks({ ...subject, create: () => ({ store }) });
}
