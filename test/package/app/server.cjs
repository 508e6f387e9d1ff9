const { openBus, BusError } = require('millrace');
const { connect } = require('millrace/client');

async function main() {
  const bus = await openBus({ dir: process.argv[2] });
  const gateway = await bus.serve({ port: 0 });
  const client = connect(gateway.url);
  const ack = await client.publish({ topic: 'a.b', type: 'agent_log', payload: 1 });
  await client.close();
  await bus.close();
  const refused = await bus.publish({ topic: 'a', type: 'agent_log', payload: 1 }).catch((e) => e);
  console.log(`cjs ${ack.durability} ${refused instanceof BusError}`);
}

main();
