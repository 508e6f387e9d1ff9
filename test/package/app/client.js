import { connect } from 'millrace/client';

/** A client as it runs in any runtime with WebSockets. */
const client = connect(process.argv[2]);
const { durability } = await client.publish({ topic: 'a.b', type: 'agent_log', payload: { n: 1 } });
for await (const { payload } of client.subscribe('a.*', { from: 'earliest' })) {
  console.log(`client ${durability} ${payload.n}`);
  break;
}
await client.close();
