/** The engine process alone dies by SIGKILL while a client reads its stream: the stream just continues, on the same connection. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdition } from '../support/edition.ts';
import { testKey } from '../support/product-process.ts';
import { collectStream, textOf } from '../support/sse.ts';

const inkwell = createEdition();
beforeAll(async () => {
  await inkwell.start();
});
afterAll(() => inkwell.dispose());

const request = {
  model: 'inkwell-small',
  prompt: 'Once more the',
  max_tokens: 300,
  seed: 11,
  temperature: 1,
  ignore_eos: true,
};
const headers = { authorization: `Bearer ${testKey}` };

it('continues the stream, byte-equal, without the client reconnecting', async () => {
  const put = (id: string) => inkwell.request(`/v1/jobs/${id}`, { method: 'PUT', body: request });
  const follow = (id: string) =>
    collectStream(() => `${inkwell.url}/v1/jobs/${id}/events`, headers, AbortSignal.timeout(50_000));
  expect((await put('calm')).status).toBe(202);
  const calm = await follow('calm');

  expect((await put('rough')).status).toBe(202);
  const rough = follow('rough');
  let killed = false;
  const watcher = await fetch(`${inkwell.url}/v1/jobs/rough/events`, { headers });
  for await (const chunk of watcher.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    if (!killed && chunk.includes('job.delta')) {
      const pids = inkwell.enginePids();
      expect(pids).toHaveLength(inkwell.workers);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      killed = true;
    }
  }
  const { events, reconnects } = await rough;
  expect(killed).toBe(true);
  expect(reconnects).toBe(0);
  expect(events.at(-1)?.type).toBe('job.completed');
  expect(events.filter((event) => event.type === 'job.started').length).toBeGreaterThanOrEqual(2);
  expect(textOf(events)).toBe(textOf(calm.events));
});
