import { openBus } from 'millrace';

test('a bus opens, publishes and closes under Jest', async () => {
  const bus = await openBus({ dir: ':memory:', shards: 1 });
  const ack = await bus.publish({ topic: 'a.b', type: 'agent_log', payload: { n: 1 } });
  expect(ack).toMatchObject({ topic: 'a.b', sequence: 1 });
  expect(await bus.query({ topic: 'a.*' })).toMatchObject([{ payload: { n: 1 } }]);
  await bus.close();
});
