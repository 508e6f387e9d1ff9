import { openSync, writeSync } from 'node:fs';

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

/** Arms a fault of the disk; see `disk.c`. */
export function arm({ kind, n, error = 'EIO', how, part = '-' }) {
  writeSync(descriptor, `fail ${kind} ${n} ${error} ${how} ${part}\n`);
}

export function disarm() {
  writeSync(descriptor, 'fail none\n');
}
