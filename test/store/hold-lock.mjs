// Takes the lock of a directory, says so, and holds it until it is killed.
import { DirectoryLock } from '../../dist/store/lock.js';

globalThis.lock = DirectoryLock.acquire(process.argv[2]);
console.log('locked');
setInterval(() => {}, 60_000);
