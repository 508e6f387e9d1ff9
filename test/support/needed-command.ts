import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Where a command of the system is, for a suite that needs it: `describe.runIf(path !== undefined)`. Without it that is
 * said loudly, and in CI it is a failure. `scripts/system-packages.js` has installed it before, where it may.
 */
export function neededCommand(command: string, suite: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there.
    }
  }
  const told = `NOT TESTED: ${suite}, for there is no ${command}`;
  if (process.env.CI === 'true') throw new Error(told);
  console.error(told);
  return undefined;
}
