/** Facts reach every projection exactly once, whatever is down, dies or repeats itself in between. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type EmbeddedStore, openEmbeddedStore } from '@inkwell/adapters/embedded';
import { type AuditEvent, auditFact, type Fact, type JobEnded, jobKey } from '@inkwell/contracts';
import { createLog, createMetrics } from '@inkwell/observability';
import { verifyAuditLog } from '@inkwell/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRecorder, type Recorder, type RecorderOptions } from './recorder.ts';

/** Milliseconds here stand for seconds there: what is tested doesn't depend on how long anything takes. */
const pauses = { firstMs: 1, longestMs: 4, patienceMs: 20 };
const clock = { now: () => 1_700_000_000_000 };
const day = 86_400_000;

let directory: string;
let store: EmbeddedStore;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inkwell-recorder-'));
  store = await openEmbeddedStore({ directory, clock });
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

function recorder(over: Partial<RecorderOptions> = {}): Recorder {
  const { factLog, auditLog, jobHistory, webhookQueue } = store;
  const log = createLog({ level: 'silent', name: 'test' });
  return createRecorder({
    factLog,
    auditLog,
    jobHistory,
    webhookQueue,
    log,
    metrics: createMetrics(),
    clock,
    pauses,
    ...over,
  });
}

function ended(id: string, changes: Partial<JobEnded> = {}): Fact {
  const body: JobEnded = {
    key: jobKey('acme', id),
    tenant: 'acme',
    jobId: id,
    keyId: 'key_1',
    userId: null,
    actor: { kind: 'key', id: 'key_1' },
    ip: '10.0.0.1',
    requestId: 'req_1',
    model: 'tiny',
    priority: 'standard',
    state: 'completed',
    reason: null,
    usage: { promptTokens: 3, completionTokens: 5 },
    attempts: 1,
    createdAt: clock.now() - 10,
    startedAt: null,
    finishedAt: clock.now(),
    ...changes,
  };
  return { version: 1, id: `job.ended:${body.key}`, kind: 'job.ended', subject: body.key, at: body.finishedAt, body };
}

function login(): Fact {
  const event: AuditEvent = {
    actor: { kind: 'user', id: 'user_1' },
    keyId: null,
    tenant: 'acme',
    action: 'auth.login',
    resource: 'user/user_1',
    outcome: 'allowed',
    ip: null,
    requestId: 'req_2',
    reason: null,
    details: {},
  };
  return auditFact(`auth.login:${randomUUID()}`, clock.now(), event);
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(2);
}

const audited = () => store.auditLog.read({}, { afterSeq: 0, limit: 1000 });
const used = async () => {
  const [sum] = await store.usageLedger.sum({
    size: 'day',
    from: clock.now() - day,
    before: clock.now() + day,
    groupBy: [],
    limit: 9,
  });
  return sum;
};

/** What must be there after these jobs and sign-ins: one event per act, every token once, a chain that fits. */
async function expectExactly(jobs: readonly Fact[], logins: readonly Fact[]): Promise<void> {
  await eventually(async () => (await audited()).length >= jobs.length + logins.length);
  await eventually(async () => (await used())?.requests === jobs.length || jobs.length === 0);
  const { jobs: recorded } = await store.jobHistory.list({ tenant: 'acme' }, { limit: 100 });
  await eventually(async () => {
    const { jobs: now } = await store.jobHistory.list({ tenant: 'acme' }, { limit: 100 });
    return now.length === Math.min(100, jobs.length);
  });
  expect(recorded.length).toBeLessThanOrEqual(jobs.length);
  const expected = [...jobs.map(({ subject }) => `audit:job.created:${subject}`), ...logins.map(({ id }) => id)];
  expect((await audited()).map(({ factId }) => factId).sort()).toEqual(expected.sort());
  expect(await used()).toMatchObject({ promptTokens: 3 * jobs.length, completionTokens: 5 * jobs.length });
  expect((await verifyAuditLog(store.auditLog)).broken).toBeNull();
}

const many = (count: number) => Array.from({ length: count }, (_, index) => ended(`job_${index}`));

describe('the recorder', () => {
  it('projects a job into audit, usage and history, once however often it is told', async () => {
    const one = recorder();
    await one.start();
    const [jobs, logins] = [many(5), [login(), login()]];
    for (const fact of [...jobs, ...logins, ...jobs, ...logins.toReversed()]) await store.factLog.publish(fact);
    await expectExactly(jobs, logins);
    expect(await store.jobHistory.get(jobKey('acme', 'job_3'))).toEqual(jobs[3]!.body);
    await one.stop(1000);
  });

  it('loses nothing and doubles nothing while its stores are down far longer than its patience', async () => {
    let down = true;
    let failures = 0;
    const whileUp = <T extends object>(port: T): T =>
      new Proxy(port, {
        get: (target, name) => {
          const method = Reflect.get(target, name) as (...given: unknown[]) => Promise<unknown>;
          return (...given: unknown[]) => {
            if (!down) return method.apply(target, given);
            failures++;
            return Promise.reject(new Error('the store is down'));
          };
        },
      });
    const { auditLog, jobHistory } = store;
    const one = recorder({
      auditLog: whileUp(auditLog),
      jobHistory: whileUp(jobHistory),
    });
    await one.start();
    const [jobs, logins] = [many(40), [login(), login(), login()]];
    await Promise.all([...jobs, ...logins].map((fact) => store.factLog.publish(fact)));
    // More tries than one patience has room for: the log has had to deliver again.
    await eventually(async () => failures > 60);
    expect(await audited()).toEqual([]);
    down = false;
    await expectExactly(jobs, logins);
    await one.stop(1000);
  });

  it.each(['auditLog', 'jobHistory'] as const)(
    'is exact when it dies after its write to %s was done and before it heard so',
    async (name) => {
      const port = store[name] as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>;
      const written = Promise.withResolvers<void>();
      const dying = new Proxy(port, {
        get:
          (target, method: string) =>
          async (...given: unknown[]) => {
            await target[method]!(...given);
            written.resolve();
            throw new Error('killed');
          },
      });
      const one = recorder({ [name]: dying });
      await one.start();
      const [jobs, logins] = [many(10), [login()]];
      await Promise.all([...jobs, ...logins].map((fact) => store.factLog.publish(fact)));
      await written.promise;
      await one.stop(0);
      await store.close();
      store = await openEmbeddedStore({ directory, clock });
      const next = recorder();
      await next.start();
      await expectExactly(jobs, logins);
      await next.stop(1000);
    },
  );

  it('is exact when two record the same facts at once, as after a rebalance', async () => {
    const jobs = many(60);
    const logins = [login()];
    for (const fact of [...jobs, ...logins]) await store.factLog.publish(fact);
    const consumeAs = (group: string) => ({
      ...store.factLog,
      consume: (consumer: Parameters<typeof store.factLog.consume>[0]) => store.factLog.consume({ ...consumer, group }),
    });
    const pair = [recorder({ factLog: consumeAs('one') }), recorder({ factLog: consumeAs('other') })];
    await Promise.all(pair.map((one) => one.start()));
    await expectExactly(jobs, logins);
    await Promise.all(pair.map((one) => one.stop(1000)));
    await expectExactly(jobs, logins);
  });

  it('tells of a job’s creation what its gateway would have told, if that died before it could', async () => {
    const one = recorder();
    await one.start();
    await store.factLog.publish(ended('job_0'));
    await expectExactly([ended('job_0')], []);
    expect((await audited())[0]).toMatchObject({
      action: 'job.created',
      actor: { kind: 'key', id: 'key_1' },
      ip: '10.0.0.1',
      requestId: 'req_1',
      resource: 'job/job_0',
      at: clock.now() - 10,
    });
    await one.stop(1000);
  });

  it('passes by what no schema fits and what it doesn’t know, and goes on', async () => {
    const metrics = createMetrics();
    const one = recorder({ metrics });
    await one.start();
    const bad = { ...login(), body: { action: 'auth.login', prompt: 'a secret' } };
    const negative = ended('negative', { usage: { promptTokens: -1, completionTokens: 0 } });
    const unknown = { ...login(), kind: 'weather' };
    for (const fact of [bad, negative, unknown, ended('job_0')]) await store.factLog.publish(fact);
    await expectExactly([ended('job_0')], []);
    const { values } = await metrics.factsUnreadable.get();
    expect(values.map(({ labels, value }) => [labels.kind, value])).toEqual([
      ['audit', 1],
      ['job.ended', 1],
    ]);
    await one.stop(1000);
  });
});
