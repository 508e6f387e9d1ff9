import { observe } from './observe.js';
import * as play from './play.js';

/**
 * The process under test, or one that looks at what another has left behind: it does what its parent asks, and the parent
 * may lose it at any moment. Arguments: the file to which it tells what it does.
 */
const calls = { observe, ...play };
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
