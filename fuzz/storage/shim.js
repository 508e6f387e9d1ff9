import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The disk that records and fails (`disk.c`), compiled by the system's C compiler when it is needed. */
const SOURCE = fileURLToPath(new URL('./disk.c', import.meta.url));
const INSTALL = 'apt-get install --yes --no-install-recommends gcc libc6-dev';

/** @returns the library's path; throws an error that names what is missing if it cannot be compiled */
export function compileShim(folder) {
  if (process.platform !== 'linux') {
    throw new Error(
      `power, inject and kill need Linux (LD_PRELOAD), and this is ${process.platform}`,
    );
  }
  const library = join(folder, 'disk.so');
  const options = ['-shared', '-fPIC', '-O2', '-Wall', '-o', library, SOURCE, '-ldl', '-lpthread'];
  const compiled = spawnSync('gcc', options, { encoding: 'utf8' });
  if (compiled.error !== undefined) {
    throw new Error(`NOT FOUND: gcc, which power, inject and kill need. Install: ${INSTALL}`);
  }
  if (compiled.status !== 0) throw new Error(`gcc: ${compiled.stderr}\nInstall: ${INSTALL}`);
  return library;
}

/**
 * The environment variables that give a process this disk under `root`.
 *
 * @param {{ library: string, root: string, marks: string, record?: string, boot?: string, forgets?: string, random?: string | undefined,
 *   flushes?: string }} options
 */
export function shimEnvironment({ library, root, marks, flushes, ...more }) {
  const { record, boot, forgets, random } = more;
  const settings = {
    LD_PRELOAD: library,
    DISK_ROOT: root,
    DISK_MARKS: marks,
    DISK_RECORD: record,
    DISK_BOOT: boot,
    DISK_FORGETS: forgets,
    DISK_RANDOM: random,
    DISK_FLUSHES: flushes,
    // Writes through io_uring would bypass the library.
    UV_USE_IO_URING: '0',
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
