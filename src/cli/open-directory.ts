import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Bus } from '../main/bus.js';
import { usageFailure } from './failure.js';

/**
 * Opens an existing directory, for a command that works on it itself; fails with `STORE_LOCKED` if another process has
 * it open. The engine is imported only here, as commands that talk to a server need none.
 */
export async function openDirectory(dir: string): Promise<Bus> {
  if (!existsSync(join(dir, 'manifest.json'))) {
    throw usageFailure(`${dir} has no manifest.json: it is no directory of events`);
  }
  const { openBus } = await import('../index.js');
  return openBus({ dir, systemEvents: false });
}
