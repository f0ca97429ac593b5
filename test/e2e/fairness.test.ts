/**
 * A tenant with a thousand queued jobs delays another tenant's single job by a few steps of work at most. The order of work is asserted,
 * never seconds: it is read from the numbered start events of every job.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdition, type Edition, slotsPerWorker } from '../support/edition.ts';
import { insist } from '../support/insist.ts';

const inkwell = createEdition({
  env: { INKWELL_BACKEND: 'null', INKWELL_NULL_PACE_MS: '400', INKWELL_LIMIT_KEY_PER_MINUTE: 'off' },
});
beforeAll(async () => {
  await inkwell.start();
});
afterAll(() => inkwell.dispose());

async function makeTenant(tenant: string): Promise<string> {
  const response = await inkwell.request('/api/keys', { body: { name: tenant, tenant } });
  expect(response.status, await response.clone().text()).toBe(201);
  return ((await response.json()) as { key: string }).key;
}

it('serves the small tenant between the large one’s jobs', { timeout: 180_000 }, async () => {
  const [large, small] = [await makeTenant('large'), await makeTenant('small')];
  const body = { model: 'inkwell-small', prompt: 'x', max_tokens: 8, ignore_eos: true };
  const submit = (key: string) =>
    insist(() => inkwell.request('/v1/jobs', { body, headers: { authorization: `Bearer ${key}` } }));
  for (let sent = 0; sent < 1000; sent += 100) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => submit(large)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
  }
  const single = (await (await submit(small)).json()) as { id: string; created_at: number };
  const done = (await (
    await inkwell.request(`/v1/jobs/${single.id}?wait=60`, { headers: { authorization: `Bearer ${small}` } })
  ).json()) as { status: string; started_at: number };
  const finished = await waitFor(inkwell, single.id, small, done);

  const rows = await listAll(large);
  expect(rows).toHaveLength(1000);
  // Jobs of the large tenant that were still waiting when the small one came, yet began before it: at most what fills the engine once more.
  const overtook = rows.filter(
    (job) => job.started_at > single.created_at && job.started_at < finished.started_at,
  ).length;
  const stillWaiting = rows.filter((job) => job.started_at > single.created_at).length;
  console.log(`waiting when it came: ${stillWaiting}, of them started before it: ${overtook}`);
  expect(stillWaiting, 'the large tenant still had work waiting').toBeGreaterThan(100);
  // Per worker: one turn of 128 tokens at 9 a job, and what was already on its way into the slots.
  expect(overtook).toBeLessThanOrEqual(inkwell.workers * (Math.ceil(128 / 9) + slotsPerWorker));
});

interface JobRow {
  id: string;
  status: string;
  started_at: number;
}

async function waitFor(
  server: Edition,
  id: string,
  key: string,
  first: JobRow | { status: string; started_at: number },
) {
  let job = first;
  while (job.status === 'queued' || job.status === 'in_progress')
    job = (await (
      await server.request(`/v1/jobs/${id}?wait=60`, { headers: { authorization: `Bearer ${key}` } })
    ).json()) as JobRow;
  expect(job.status).toBe('completed');
  return job;
}

/** Every job of a tenant once all have finished. */
async function listAll(key: string): Promise<JobRow[]> {
  const headers = { authorization: `Bearer ${key}` };
  for (;;) {
    const unfinished = (await (await inkwell.request('/v1/jobs?state=queued&limit=1', { headers })).json()) as {
      data: JobRow[];
    };
    const [next] = unfinished.data;
    if (!next) break;
    await inkwell.request(`/v1/jobs/${next.id}?wait=30`, { headers });
  }
  const rows: JobRow[] = [];
  for (let after = ''; ; ) {
    const page = (await (
      await inkwell.request(`/v1/jobs?limit=100${after && `&after=${after}`}`, { headers })
    ).json()) as {
      data: JobRow[];
      has_more: boolean;
    };
    rows.push(...page.data);
    if (!page.has_more) return rows;
    after = page.data.at(-1)?.id ?? '';
  }
}
