import { cpSync, renameSync, rmSync } from 'node:fs';

/**
 * Ends a process as a kill does: its files stay as they are, whatever the closing of its databases would do to them.
 *
 * @param {string} dir of the bus
 * @param {() => void} end
 */
export function keepFiles(dir, end) {
  const before = `${dir}.before`;
  renameSync(dir, before);
  cpSync(before, dir, { recursive: true, filter: (file) => !file.endsWith('-shm') });
  end();
  rmSync(before, { recursive: true, force: true });
}
