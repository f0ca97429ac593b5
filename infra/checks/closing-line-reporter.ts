/** Ends a test run with one plain line, `N passed, N failed, N skipped`, for people and scripts that read only the end. */
import type { Reporter, TestModule } from 'vitest/node';

export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      let tests = 0;
      for (const test of module.children.allTests()) {
        tests++;
        count[test.result().state]++;
      }
      if (tests === 0 && module.state() === 'failed') count.failed++;
    }
    const failed = count.failed + count.pending;
    process.on('exit', () =>
      process.stdout.write(`\n${count.passed} passed, ${failed} failed, ${count.skipped} skipped\n`),
    );
  }
}
