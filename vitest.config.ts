import { defineConfig } from 'vitest/config';
import LongestFirst from './test/longest-first.js';

/**
 * The suites run against the built package in `dist`, because worker threads are started from there;
 * `npm test` builds first. Three files at a time, on two cores too: a file waits for disks, processes and timers for a good
 * part of its time.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 3,
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
