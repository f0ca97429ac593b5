/**
 * Cancel and deadline as a client sees them: what was queued never starts, what runs stops and leaves its slot to the next, and a deadline
 * in the past means the job expires without a single token.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { InkwellProcess, testKey } from '../support/inkwell-process.ts';
import { collectStream } from '../support/sse.ts';

// A paced null model makes "still running" last as long as a test needs, without waiting on a clock.
const inkwell = new InkwellProcess({ env: { INKWELL_BACKEND: 'null', INKWELL_NULL_PACE_MS: '20' } });
beforeAll(async () => {
  await inkwell.start();
});
afterAll(() => inkwell.dispose());

const headers = { authorization: `Bearer ${testKey}` };
const story = (id: string) =>
  collectStream(() => `${inkwell.url}/v1/jobs/${id}/events`, headers, AbortSignal.timeout(50_000));
const put = async (id: string, body: Record<string, unknown> = {}) => {
  const response = await inkwell.request(`/v1/jobs/${id}`, {
    method: 'PUT',
    body: { model: 'inkwell-small', prompt: 'x', max_tokens: 400, ignore_eos: true, ...body },
  });
  expect(response.status, await response.clone().text()).toBe(202);
};
const cancel = (id: string) => inkwell.request(`/v1/jobs/${id}/cancel`, { method: 'POST' });

async function untilStarted(id: string): Promise<void> {
  const response = await fetch(`${inkwell.url}/v1/jobs/${id}/events`, { headers, signal: AbortSignal.timeout(30_000) });
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? [])
    if (chunk.includes('job.delta')) return;
}

it('a cancelled queued job never starts; a cancelled running one frees its slot', { timeout: 120_000 }, async () => {
  const runners = Array.from({ length: 32 }, (_, i) => `runner-${i}`);
  await Promise.all(runners.map((id) => put(id)));
  await Promise.all(runners.map(untilStarted));
  await put('waiting');
  await put('next', { max_tokens: 1 });
  expect((await (await cancel('waiting')).json()) as object).toMatchObject({ status: 'cancelled' });
  expect((await story('waiting')).events.map((event) => event.type)).toEqual(['job.queued', 'job.cancelled']);

  expect((await (await cancel('runner-0')).json()) as object).toMatchObject({ status: 'cancelled' });
  const next = await story('next');
  expect(next.events.map((event) => event.type)).toEqual(['job.queued', 'job.started', 'job.delta', 'job.completed']);
  for (const id of runners.slice(1)) {
    const job = (await (await inkwell.request(`/v1/jobs/${id}`)).json()) as { status: string };
    expect(job.status, 'the slot came from the cancel, not from a runner that ended').toBe('in_progress');
  }
  const cut = await story('runner-0');
  expect(cut.events.at(-1)?.type).toBe('job.cancelled');
  const job = (await (await inkwell.request('/v1/jobs/runner-0')).json()) as { usage: { completion_tokens: number } };
  expect(job.usage.completion_tokens).toBeGreaterThan(0);
  expect(job.usage.completion_tokens).toBeLessThan(400);
  const answer = (await (await inkwell.request('/v1/jobs/cancel', { body: { state: ['in_progress'] } })).json()) as {
    cancelled: unknown;
  };
  expect(JSON.stringify(answer)).toContain('runner-31');
});

it('a deadline in the past expires the job before it starts', async () => {
  await put('late', { deadline: Math.floor(Date.now() / 1000) - 60 });
  const { events } = await story('late');
  expect(events.map((event) => event.type)).toEqual(['job.queued', 'job.expired']);
});

it('a deadline that passes while the job runs cuts it and keeps what was produced', async () => {
  await put('cut', { deadline: Date.now() / 1000 + 1.5 });
  const { events } = await story('cut');
  expect(events.at(-1)?.type).toBe('job.expired');
  expect(events.filter((event) => event.type === 'job.delta').length).toBeGreaterThan(0);
});
