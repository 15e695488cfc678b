// Closes a test run with one plain line, 'N passed, N failed, N skipped', for machines to read.
import type { Reporter, TestModule } from "vitest/node";

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      let tests = 0;
      for (const test of module.children.allTests()) {
        count[test.result().state] += 1;
        tests += 1;
      }
      if (tests === 0 && module.state() === "failed") count.failed += 1;
    }
    console.log(
      `\n${String(count.passed)} passed, ${String(count.failed)} failed, ${String(count.skipped)} skipped`,
    );
  }
}
