import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from './config.ts';
import { type Rig, type Script, startRig, testModel } from './testing/rig.ts';
import { allSse, readSse } from './testing/sse.ts';

const request = { model: testModel, prompt: 'Hello' };

async function withRig(test: (rig: Rig) => Promise<void>, options?: Parameters<typeof startRig>[0]): Promise<void> {
  const rig = await startRig(options);
  try {
    await test(rig);
  } finally {
    await rig.close();
  }
}

function rawRequest(rig: Rig, method: string, path: string, body: string): string {
  const head = [`${method} ${path} HTTP/1.1`, 'host: x', `x-api-key: ${rig.key}`, 'content-type: application/json'];
  return [...head, `content-length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
}

describe('closing', () => {
  it('ends resumable streams at once, without an end of their story, and touches no job', () =>
    withRig(async (rig) => {
      const { id } = (await rig.json('/v1/jobs', { body: { ...request, on_disconnect: 'cancel' } })).body;
      const worker = await rig.startWorker(id);
      await worker.say('half');
      const frames = readSse(await rig.request(`/v1/jobs/${id}/events`));
      for (let i = 0; i < 3; i++) await frames.next();
      await rig.gateway.close(60_000);
      expect((await frames.next()).done).toBe(true);
      await worker.say('still mine');
      expect((await rig.ports.jobStore.get(`alice:${id}` as never))?.state).toBe('in_progress');
    }));

  it('answers long polls with what is, refuses new work, and lets what runs finish within the grace', () =>
    withRig(async (rig) => {
      const go = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      await rig.serveJobs(async (worker) => {
        await worker.say('a');
        started.resolve();
        await go.promise;
        await worker.say({ delta: 'b', finishReason: 'stop' });
        await worker.end('completed');
      });
      const socket = connect(Number(new URL(rig.url).port), '127.0.0.1');
      const answers = text(socket);
      socket.write(rawRequest(rig, 'POST', '/v1/completions', JSON.stringify(request)));
      await started.promise;
      const { id } = (await rig.json('/v1/jobs?limit=1')).body.data[0]!;
      const streamed = await rig.request('/v1/completions', { body: { ...request, stream: true } });
      const polled = rig.json(`/v1/jobs/${id}?wait=60`);
      await rig.json('/v1/models');
      const closed = rig.gateway.close(60_000);
      expect((await polled).body.status).toBe('in_progress');
      await expect(rig.request('/version')).rejects.toThrow();
      // Behind the request that is still running, on a connection that was open before.
      socket.write(rawRequest(rig, 'GET', '/v1/models', ''));
      go.resolve();
      const [first, second] = (await answers).split(/(?<=\})(?=HTTP)/);
      expect(first).toMatch(/^HTTP\/1\.1 200 .*"text":"ab"/s);
      expect(second).toMatch(/^HTTP\/1\.1 503 .*connection: close.*"code":"shutting_down"/is);
      expect((await allSse(streamed)).at(-1)!.data).toBe('[DONE]');
      await closed;
    }));

  it('cuts what does not finish within the grace: no [DONE], an error that can be retried, the job lives on', () =>
    withRig(async (rig) => {
      const bothStarted = Promise.withResolvers<void>();
      let running = 0;
      const script: Script = async (worker) => {
        await worker.say('a');
        running += 1;
        if (running === 2) bothStarted.resolve();
      };
      await rig.serveJobs(script);
      const whole = rig.json('/v1/completions', { body: request });
      const streamed = await rig.request('/v1/completions', { body: { ...request, stream: true } });
      await bothStarted.promise;
      const closed = rig.gateway.close(50);
      const { status, body, headers } = await whole;
      expect([status, body.error.code, headers.get('retry-after')]).toEqual([503, 'shutting_down', '1']);
      expect((await allSse(streamed)).map(({ data }) => data)).not.toContain('[DONE]');
      await closed;
      const { records } = await rig.ports.jobStore.list({ tenant: 'alice' }, { limit: 10 });
      expect(records.map(({ state }) => state)).toEqual(['in_progress', 'in_progress']);
    }));
});

describe('slow clients', () => {
  it('are answered 408 and let go, whether they dawdle over headers or body', () =>
    withRig(
      async (rig) => {
        const whole = rawRequest(rig, 'POST', '/v1/jobs', JSON.stringify(request));
        for (const part of [whole.slice(0, 40), whole.slice(0, -5)]) {
          const socket = connect(Number(new URL(rig.url).port), '127.0.0.1', () => socket.write(part));
          expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 .*"code":"request_timeout"/s);
        }
        expect((await rig.ports.jobStore.counts()).queued.standard).toBe(0);
      },
      { config: { requestTimeoutMs: 100 } },
    ));
});

describe('listening', () => {
  it('says where', () =>
    withRig(async (rig) => {
      const { port } = new URL(rig.url);
      expect(rig.url).toBe(`http://127.0.0.1:${port}`);
    }));

  it('refuses a secret that is too short to keep keys safe', () => {
    expect(() => resolveConfig({ keySecret: 'short' })).toThrow('at least 32 bytes');
  });
});
