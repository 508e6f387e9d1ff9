import { openSync, writeSync } from 'node:fs';

/**
 * Says what this process does in a file that outlives it (`ledger.js` reads it), and to the disk that it runs on
 * (`disk.c`): a write each, so that the order of what is told and of what is written is known.
 */
let descriptor;

/** An empty name: nobody listens. */
export function tellTo(file) {
  if (file) descriptor = openSync(file, 'a', 0o600);
}

export function tell(...words) {
  if (descriptor !== undefined) writeSync(descriptor, `${JSON.stringify(words)}\n`);
}

/** From now on the disk fails so; `none`: no more. */
export function arm({ kind, n, error = 'EIO', how, part = '-' }) {
  writeSync(descriptor, `fail ${kind} ${n} ${error} ${how} ${part}\n`);
}

export function disarm() {
  writeSync(descriptor, 'fail none\n');
}
