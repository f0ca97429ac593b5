/** What the served OpenAPI document says is what the server does: requests made from it, right and wrong ones, by the thousand, as each role. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { InkwellProcess } from '../support/inkwell-process.ts';
import { seededRandom } from '../support/random.ts';
import { fuzzRoles, fuzzSettings, makeCaller } from './callers.ts';
import { fuzzOpenApi } from './fuzz-openapi.ts';

/** Per operation and phase. */
const examples = 3;
const fewestCases = 2_000;

const inkwell = new InkwellProcess({ env: fuzzSettings });
beforeAll(async () => {
  await inkwell.start();
});
afterAll(() => inkwell.dispose());

const { seed } = seededRandom('schemathesis');

it.each(fuzzRoles)('holds for the role %s', { timeout: 300_000 }, async (role) => {
  const caller = await makeCaller(inkwell, role);
  const { clean, cases, report } = await fuzzOpenApi({
    url: inkwell.url,
    caller,
    protectedIds: caller.ids,
    seed,
    examples,
  });
  expect(clean, report).toBe(true);
  console.log(`${role}: ${cases} cases`);
  expect(cases).toBeGreaterThanOrEqual(fewestCases);
  // The caller could call to the end.
  const headers = { authorization: `Bearer ${caller.key}` };
  expect((await inkwell.request('/v1/models', { headers })).status).toBe(200);
});
