import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', './infra/checks/closing-line-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: ['shared/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts', 'test/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'cluster',
          include: ['test/e2e/*.test.ts'],
          exclude: ['test/e2e/cluster.test.ts'],
          env: { INKWELL_TEST_EDITION: 'cluster' },
          globalSetup: 'test/support/shared-servers.ts',
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
