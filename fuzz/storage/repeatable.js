import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { Random } from './random.js';

/**
 * Makes what this process does repeatable: two that do the same on equal directories leave equal bytes. Clocks go on by a
 * fixed step each time they are read, and random bytes come from a seed. SQLite's own are those of the file that
 * `DISK_RANDOM` names, see `disk.c`; a process has its number, and writes it into `lock.json` (`image.js`).
 */
const STEP_MS = 0.05;
const SEED = 83;

/** `at`: the time at which the process begins, in ms since 1970. */
export function makeRepeatable(at) {
  let elapsed = 0;
  const later = () => {
    elapsed += STEP_MS;
    return elapsed;
  };
  const RealDate = Date;
  const now = () => Math.floor(at + later());
  globalThis.Date = /** @type {any} */ (
    class extends RealDate {
      /** @param {any[]} given */
      constructor(...given) {
        // @ts-expect-error As many as `Date` takes.
        super(...(given.length === 0 ? [now()] : given));
      }

      /** @override */
      static now() {
        return now();
      }
    }
  );
  performance.now = later;
  process.uptime = () => later() / 1000;
  const random = new Random(SEED);
  const fill = (view) => {
    const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
    for (let index = 0; index < bytes.length; index++) bytes[index] = random.below(256);
    return view;
  };
  crypto.randomBytes = /** @type {any} */ ((size) => fill(Buffer.alloc(size)));
  crypto.randomFillSync = fill;
  syncBuiltinESMExports();
}
