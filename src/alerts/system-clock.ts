import type { AlertClock } from './watched-bus.js';

/** The system's clocks. Tests set them ahead. */
export class SystemClock implements AlertClock {
  aheadMs = 0;

  elapsedMs(): number {
    return performance.now() + this.aheadMs;
  }

  now(): number {
    return Date.now() + this.aheadMs;
  }
}
