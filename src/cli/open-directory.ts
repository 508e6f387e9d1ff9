import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Bus } from '../main/bus.js';
import { usageFailure } from './failure.js';

/**
 * Opens a directory that is there, for a command that works on it itself; another process that has it open is told of
 * by `STORE_LOCKED`. The engine is loaded only here: commands that talk to a server need none.
 */
export async function openDirectory(dir: string): Promise<Bus> {
  if (!existsSync(join(dir, 'manifest.json'))) {
    throw usageFailure(`${dir} has no manifest.json: it is no directory of events`);
  }
  const { openBus } = await import('../index.js');
  return openBus({ dir, systemEvents: false });
}
