import { openBus } from 'millrace';

/** The README's example, more or less; also what the bundlers make a server of. */
const bus = await openBus({ dir: process.argv[2] ?? './data' });
const seen = [];
bus.subscribe('findings.*', ({ payload }) => {
  seen.push(payload.line);
});
const ack = await bus.publish({
  topic: 'findings.secret',
  type: 'finding_new',
  payload: { path: 'config.js', line: 12 },
});
for await (const event of bus.read({ topic: 'findings.*' })) seen.push(event.topic);
await bus.drain();
await bus.close();
console.log(`server ${ack.durability} ${ack.sequence} ${seen.length}`);
