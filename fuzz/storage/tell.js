import { openSync, readlinkSync, writeSync } from 'node:fs';

/**
 * Reports the steps of this process to a file that outlives it (`ledger.js` reads it) and to the disk that it runs on
 * (`disk.c`). Each report is one write, so that the record shows its order among the writes to the disk.
 */
let descriptor;

/** Sets the file; with an empty name nothing is reported. */
export function tellTo(file) {
  if (file) descriptor = openSync(file, 'a', 0o600);
}

export function tell(...words) {
  if (descriptor !== undefined) writeSync(descriptor, `${JSON.stringify(words)}\n`);
}

/** Does work of which nothing is reported. */
export function untold(work) {
  const told = descriptor;
  descriptor = undefined;
  try {
    work();
  } finally {
    descriptor = told;
  }
}

/** A fault of the disk as `disk.c` reads it. */
export function faultText({ kind, n, error = 'EIO', how, part = '-' }) {
  return `fail ${kind} ${n} ${error} ${how} ${part}\n`;
}

/** Arms a fault of the disk; see `disk.c`. */
export function arm(fault) {
  if (descriptor !== undefined) writeSync(descriptor, faultText(fault));
}

export function disarm() {
  if (descriptor !== undefined) writeSync(descriptor, 'fail none\n');
}

/**
 * Does synchronous work in a process of its own, a child that begins with all that this one has loaded: a start of Node
 * costs a hundred times as much. How it ended is in the marks: with exit code 1 if the work threw. Needs the disk, and a
 * process whose other threads the work does not need: that is what `--single-threaded` is for.
 *
 * @param {() => void} work
 */
export function inChild(work) {
  try {
    writeSync(descriptor, 'fork\n');
    return;
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
  Object.defineProperty(process, 'pid', { value: Number(readlinkSync('/proc/self')) });
  try {
    work();
    writeSync(descriptor, 'exit 0\n');
  } catch (error) {
    tell('error', 'child', error.code ?? 'UNTYPED', String(error.stack));
    writeSync(descriptor, 'exit 1\n');
  }
}
