// Takes the lock of a directory, prints that it has, and holds it until it is killed. With `read` it first reads the
// lock's file, which drops the system's lock.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DirectoryLock } from '../../../dist/store/directory/lock.js';

const [, , dir, then] = process.argv;
globalThis.lock = DirectoryLock.acquire(dir);
if (then === 'read') readFileSync(join(dir, 'lock.db'));
console.log('locked');
setInterval(() => {}, 60_000);
