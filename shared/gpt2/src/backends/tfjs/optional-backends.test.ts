/**
 * Backends whose packages are not part of the installation. Where a script has put them, they must agree with transformers like all others; where not, asking for them must say
 * which script does.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { loadModel } from '../../load-model.ts';
import { PARITY_MODELS } from '../../testing/parity-fixture.ts';
import type { ParityReport } from '../../testing/parity-report.ts';
import { testData } from '../../testing/paths.ts';
import { isInstalled, TFJS_NODE, TFJS_NODE_GPU } from './optional-packages.ts';

const timeoutMs = 300_000;
const child = fileURLToPath(new URL('../../testing/parity-report.ts', import.meta.url));

const CASES = [TFJS_NODE, TFJS_NODE_GPU].map((packages) => ({
  packages,
  most: 1000,
  count: 32,
  models: PARITY_MODELS,
}));

for (const { packages, most, count, models } of CASES) {
  const { backend } = packages;
  if (isInstalled(packages)) {
    it(`${backend} agrees with transformers`, { timeout: timeoutMs }, async () => {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [child, backend, `${most}`, `${count}`, ...models],
        {
          timeout: timeoutMs,
        },
      );
      const reports = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as ParityReport[];
      expect(reports.map((one) => one.model)).toEqual(models);
      for (const one of reports) {
        expect(one.name).toBe(backend);
        expect(one.compared).toBeGreaterThan(0);
        expect(one.worst, `${one.model} on ${one.device}`).toBeLessThanOrEqual(1e-3);
        expect(one.drawn).toEqual(one.expected);
        expect(one.drawn.length).toBe(count);
        expect(one.isInvariant, `${one.model} on ${one.device}`).toBe(true);
      }
    });
  } else {
    it(`${backend} is refused with the command that installs it`, async () => {
      const loading = loadModel(testData('parity/plain-f32'), { backend });
      await expect(loading).rejects.toThrow(
        `backend ${backend} is not installed on this machine: run ${packages.command}`,
      );
    });
  }
}
