/**
 * Cancel and deadline as a client sees them: what was queued never starts, what runs stops and leaves its slot to the next, and a deadline
 * in the past means the job expires without a single token.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdition, slotsPerWorker } from '../support/edition.ts';
import { insist } from '../support/insist.ts';
import { testKey } from '../support/product-process.ts';
import { collectStream } from '../support/sse.ts';

// A paced null model makes "still running" last as long as a test needs, without waiting on a clock.
const inkwell = createEdition({ env: { INKWELL_BACKEND: 'null', INKWELL_NULL_PACE_MS: '120' } });
beforeAll(async () => {
  await inkwell.start();
});
afterAll(() => inkwell.dispose());

const headers = { authorization: `Bearer ${testKey}` };
const story = (id: string) =>
  collectStream(() => `${inkwell.url}/v1/jobs/${id}/events`, headers, AbortSignal.timeout(50_000));
const put = async (id: string, body: Record<string, unknown> = {}) => {
  const response = await insist(() =>
    inkwell.request(`/v1/jobs/${id}`, {
      method: 'PUT',
      body: { model: 'inkwell-small', prompt: 'x', max_tokens: 500, ignore_eos: true, ...body },
    }),
  );
  expect(response.status, await response.clone().text()).toBe(202);
};
const cancel = (id: string) => inkwell.request(`/v1/jobs/${id}/cancel`, { method: 'POST' });

interface JobBody {
  status: string;
  usage: { completion_tokens: number };
}

const job = async (id: string) => (await (await inkwell.request(`/v1/jobs/${id}`)).json()) as JobBody;

/** Jobs that run now, each with the worker that runs it. */
async function runners(): Promise<Map<string, string>> {
  const running = new Map<string, string>();
  for (let after = ''; ; ) {
    const path = `/v1/jobs?state=in_progress&limit=100${after && `&after=${after}`}`;
    const page = (await (await inkwell.request(path)).json()) as { data: { id: string }[]; has_more: boolean };
    await Promise.all(page.data.map(async ({ id }) => running.set(id, await workerOf(id))));
    if (!page.has_more) return running;
    after = page.data.at(-1)?.id ?? '';
  }
}

/** Read from the start of the job's stream, as soon as it has text: what is cancelled from then on has used some. */
async function workerOf(id: string): Promise<string> {
  const leaving = new AbortController();
  const signal = AbortSignal.any([leaving.signal, AbortSignal.timeout(30_000)]);
  const response = await fetch(`${inkwell.url}/v1/jobs/${id}/events`, { headers, signal });
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const [, worker] = /"worker":"([^"]+)"/.exec(text) ?? [];
    if (worker === undefined || !text.includes('event: job.delta')) continue;
    leaving.abort();
    return worker;
  }
  throw new Error(`job ${id} ended without a start: ${text}`);
}

it('a cancelled queued job never starts; a cancelled running one frees its slot', { timeout: 120_000 }, async () => {
  const slots = slotsPerWorker * inkwell.workers;
  // Where jobs are spread over workers by chance, twice as many as there are slots leave none free.
  const sent = Array.from({ length: inkwell.workers === 1 ? slots : 2 * slots }, (_, i) => `runner-${i}`);
  await Promise.all(sent.map((id) => put(id)));
  let running = await runners();
  while (running.size < slots) running = await runners();
  await put('waiting');
  await put('next', { max_tokens: 1, priority: 'interactive' });
  expect((await (await cancel('waiting')).json()) as object).toMatchObject({ status: 'cancelled' });
  expect((await story('waiting')).events.map((event) => event.type)).toEqual(['job.queued', 'job.cancelled']);
  expect((await job('next')).status).toBe('queued');

  // One of each worker: the next job waits for one of them.
  const cut = [...new Map([...running].map(([id, worker]) => [worker, id])).values()];
  expect(cut).toHaveLength(inkwell.workers);
  for (const id of cut) expect(await (await cancel(id)).json()).toMatchObject({ status: 'cancelled' });
  const next = await story('next');
  expect(next.events.map((event) => event.type)).toEqual(['job.queued', 'job.started', 'job.delta', 'job.completed']);
  for (const id of running.keys())
    if (!cut.includes(id))
      expect((await job(id)).status, 'the slot came from the cancel, not from a runner that ended').toBe('in_progress');
  for (const id of cut) {
    expect((await story(id)).events.at(-1)?.type).toBe('job.cancelled');
    const { usage } = await job(id);
    expect(usage.completion_tokens).toBeGreaterThan(0);
    expect(usage.completion_tokens).toBeLessThan(500);
  }
  const states = { state: ['queued', 'in_progress'] };
  const answer = await (await inkwell.request('/v1/jobs/cancel', { body: states })).text();
  expect(answer).toContain([...running.keys()].find((id) => !cut.includes(id)));
});

it('a deadline in the past expires the job before it starts', async () => {
  await put('late', { deadline: Math.floor(Date.now() / 1000) - 60 });
  const { events } = await story('late');
  expect(events.map((event) => event.type)).toEqual(['job.queued', 'job.expired']);
});

it('a deadline that passes while the job runs cuts it and keeps what was produced', async () => {
  await put('cut', { deadline: Date.now() / 1000 + 5 });
  const { events } = await story('cut');
  expect(events.at(-1)?.type).toBe('job.expired');
  expect(events.filter((event) => event.type === 'job.delta').length).toBeGreaterThan(0);
});
