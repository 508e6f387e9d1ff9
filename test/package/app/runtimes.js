import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openBus } from 'millrace';

/** A client in each runtime that is named, against a bus in this Node: `node runtimes.js "bun" "deno run -A"`. */
const bus = await openBus({ dir: ':memory:', shards: 1 });
const gateway = await bus.serve({ port: 0 });
for (const runtime of process.argv.slice(2)) {
  const command = ['npx', ...runtime.split(' '), 'client.js', gateway.url];
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  child.stdout.on('data', (data) => {
    told += data;
  });
  const [code] = await once(child, 'close');
  console.log(`${runtime}: ${code} ${told.trim()}`);
}
await bus.close();
