import type { Reporter, TestModule } from 'vitest/node';

/** Closes a run with one plain line, for those who read the end of a log: `Tests: 12 passed, 0 failed`. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) counts[test.result().state]++;
    }
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    // After the default reporter's own summary, which is written on the same event.
    process.once('exit', () => {
      console.log(`Tests: ${counts.passed} passed, ${counts.failed} failed${skipped}`);
    });
  }
}
