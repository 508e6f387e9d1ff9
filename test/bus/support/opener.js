import { writeSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

/**
 * A process of its own: opens the directory, publishes one event, prints the ack or the error, and closes;
 * with `exit` it ends without closing.
 */
const [, , dir, how] = process.argv;
try {
  const bus = await openBus({ dir });
  const ack = await bus.publish({ topic: 'child', type: 'system_heartbeat', payload: process.pid });
  writeSync(1, JSON.stringify(ack));
  if (how === 'exit') process.exit(0);
  await bus.close();
} catch (error) {
  writeSync(1, JSON.stringify({ code: error.code, message: error.message }));
  process.exitCode = 1;
}
