/** Which creations a gateway tells itself, and which it leaves to the fact of the job's end. */
import type { Fact } from '@inkwell/contracts';
import { expect, it } from 'vitest';
import { startRig, testModel } from '../testing/rig.ts';
import { allSse } from '../testing/sse.ts';

it('a creation is told unless its gateway saw the end, which tells it too', async () => {
  const told: Fact[] = [];
  const rig = await startRig({
    wrapPorts: (ports) => ({
      ...ports,
      factLog: {
        ...ports.factLog,
        publish: async (fact) => {
          told.push(fact);
          await ports.factLog.publish(fact);
        },
      },
    }),
  });
  const request = { model: testModel, prompt: 'Hello' };
  try {
    await rig.serveJobs(async (worker) => {
      if (worker.spec.maxTokens === 7) return;
      await worker.say({ delta: 'a', finishReason: 'stop' });
      await worker.end('completed');
    });
    expect((await rig.json('/v1/completions', { body: request })).status).toBe(200);
    await allSse(await rig.request('/v1/completions', { body: { ...request, stream: true } }));
    const { body } = await rig.json('/v1/jobs', { body: request });
    const leaving = new AbortController();
    const left = rig.request('/v1/completions', {
      body: { ...request, max_tokens: 7, stream: true },
      signal: leaving.signal,
    });
    const unended = (await left).headers.get('x-inkwell-job-id');
    leaving.abort();
    await rig.close();
    const created = told
      .filter(({ body: { action } }) => action === 'job.created')
      .map(({ body: { resource } }) => resource);
    expect(created.toSorted()).toEqual([`job/${body.id}`, `job/${unended}`].toSorted());
  } finally {
    await rig.close();
  }
});
