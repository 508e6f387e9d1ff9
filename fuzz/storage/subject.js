import { buildOnLogs, failOnLogs, killOnLogs, operateOnLogs } from './kill-logs.js';
import { observe } from './observe.js';
import * as play from './play.js';

/**
 * The process under test, or one that observes what another has left behind. It makes the calls that its parent sends,
 * and may die at any moment. Argument: the file to which it reports its steps.
 */
const calls = { observe, buildOnLogs, failOnLogs, killOnLogs, operateOnLogs, ...play };
play.tellTo(process.argv[2]);

process.on('message', async ({ id, call, options }) => {
  try {
    const value = (await calls[call](options)) ?? null;
    process.send?.({ id, value });
  } catch (error) {
    process.send?.({ id, error: String(error?.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
