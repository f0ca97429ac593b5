/**
 * What is charged is what was produced: 2,000 jobs of one key through the whole product, some cancelled while they wait, some while they run, some by
 * their client hanging up. In the end the key's budget stands at the sum of what its jobs say they used.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { InkwellProcess } from '../support/inkwell-process.ts';
import { seededRandom } from '../support/random.ts';

const budget = 100_000_000;
const inkwell = new InkwellProcess({
  env: {
    INKWELL_BACKEND: 'null',
    INKWELL_NULL_PACE_MS: '1',
    INKWELL_LIMIT_KEY_PER_MINUTE: 'off',
    INKWELL_LIMIT_READS_PER_MINUTE: 'off',
    INKWELL_LIMIT_KEY_TOKENS_PER_MONTH: String(budget),
  },
});
beforeAll(async () => {
  await inkwell.start();
});
afterAll(() => inkwell.dispose());

const random = seededRandom('metering');
const jobs = 2_000;
const clients = 50;
const model = 'inkwell-small';

interface JobRow {
  id: string;
  status: string;
  usage: { total_tokens: number } | null;
}

it('charges a key the tokens its jobs produced, to the token', { timeout: 240_000 }, async () => {
  const made = await inkwell.request('/api/keys', { body: { name: 'metered', tenant: 'metered' } });
  const { key } = (await made.json()) as { key: string };
  const headers = { authorization: `Bearer ${key}` };
  const ask = (path: string, body?: unknown, method?: string) => inkwell.request(path, { body, headers, method });

  async function hangUp(body: object): Promise<void> {
    const gone = new AbortController();
    const response = await fetch(`${inkwell.url}/v1/completions`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, stream: true }),
      signal: gone.signal,
    });
    expect(response.status).toBe(200);
    // The first chunk opens the stream; whether text has come by then is a matter of luck.
    await response.body!.getReader().read();
    gone.abort();
  }

  let left = jobs;
  async function client(): Promise<void> {
    while (left-- > 0) {
      const body = { model, prompt: 'x', max_tokens: 1 + random.below(60), ignore_eos: random.below(2) === 0 };
      const fate = random.below(4);
      if (fate === 0) {
        await hangUp(body);
        continue;
      }
      const answer = await ask('/v1/jobs', body);
      expect(answer.status, await answer.clone().text()).toBe(202);
      const { id } = (await answer.json()) as JobRow;
      if (fate === 1) await ask(`/v1/jobs/${id}/cancel`, undefined, 'POST');
      if (fate === 2) {
        await ask(`/v1/jobs/${id}?wait=5`);
        await ask(`/v1/jobs/${id}/cancel`, undefined, 'POST');
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, client));

  const rows = await allEnded(ask);
  const states = Map.groupBy(rows, ({ status }) => status);
  console.log([...states].map(([state, group]) => `${state}: ${group.length}`).join(', '));
  expect(rows).toHaveLength(jobs);
  expect(states.get('cancelled')?.length ?? 0).toBeGreaterThan(100);
  const produced = rows.reduce((sum, { usage }) => sum + (usage?.total_tokens ?? 0), 0);
  expect(produced).toBeGreaterThan(jobs);

  const probe = await ask('/v1/jobs', { model, prompt: 'x', max_tokens: 1 });
  const remaining = Number(probe.headers.get('x-ratelimit-remaining-tokens'));
  expect(budget - remaining - 2).toBe(produced);
});

/** Every job, once all of them have ended. */
async function allEnded(ask: (path: string) => Promise<Response>): Promise<JobRow[]> {
  for (;;) {
    const rows: JobRow[] = [];
    for (let after = ''; ; ) {
      const page = (await (await ask(`/v1/jobs?limit=100${after}`)).json()) as { data: JobRow[]; has_more: boolean };
      rows.push(...page.data);
      if (!page.has_more) break;
      after = `&after=${page.data.at(-1)!.id}`;
    }
    const open = rows.find(({ status }) => status === 'queued' || status === 'in_progress');
    if (open === undefined) return rows;
    await ask(`/v1/jobs/${open.id}?wait=30`);
  }
}
