import { defineConfig } from 'vitest/config';
import LongestFirst from './test/longest-first.js';

/**
 * The suites run against the built package in `dist`, because worker threads are started from there;
 * `npm test` builds first. Two files at a time: each opens several threads of its own.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
