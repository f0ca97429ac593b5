/**
 * MongoDB is away for half a minute while jobs are accepted, cancelled and run to their ends. What was acknowledged is in the audit log, in
 * usage and in its chain afterwards, each act once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { insist } from '../support/insist.ts';
import { type FaultyCluster, startFaultyCluster } from './faulty-cluster.ts';

const outageMs = 30_000;
const maxTokens = 150;

let cluster: FaultyCluster;
beforeAll(async () => {
  cluster = await startFaultyCluster(15);
}, 180_000);
afterAll(() => cluster?.close());

const headers = () => ({ 'x-api-key': cluster.key, 'content-type': 'application/json' });
const get = (path: string) => fetch(cluster.url + path, { headers: headers() });
const post = (path: string, body: object) =>
  fetch(cluster.url + path, { method: 'POST', headers: headers(), body: JSON.stringify(body) });
const submit = () => post('/v1/jobs', { model: 'inkwell-small', prompt: 'x', max_tokens: maxTokens, ignore_eos: true });

interface AuditLine {
  action: string;
  resource: string;
  outcome: string;
}

async function auditLines(): Promise<AuditLine[]> {
  const response = await insist(() => get('/api/admin/audit/export'));
  const text = await response.text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditLine);
}

it('loses no event of what was done meanwhile, and tells none twice', { timeout: 240_000 }, async () => {
  // Both gateways meet the key.
  for (let gateways = 0; gateways < 2; gateways++) expect((await insist(submit)).status).toBe(202);
  const jobs: string[] = [];
  const cancelled: string[] = [];
  await cluster.proxies.mongo.inflict({ kind: 'cut' });
  const cutAt = performance.now();
  // Gateways know the key for some seconds more; after that they refuse.
  for (;;) {
    const response = await submit();
    if (response.status === 503) break;
    expect(response.status).toBe(202);
    const { id } = (await response.json()) as { id: string };
    jobs.push(id);
    if (jobs.length % 7 === 0 && (await post(`/v1/jobs/${id}/cancel`, {})).ok) cancelled.push(id);
    await delay(20);
  }
  await delay(Math.max(0, outageMs - (performance.now() - cutAt)));
  await cluster.proxies.mongo.heal();
  expect(jobs.length).toBeGreaterThan(20);
  expect(cancelled.length).toBeGreaterThan(1);

  const about = (lines: AuditLine[], action: string) => {
    const ids = lines.filter((line) => line.action === action).map(({ resource }) => resource.split('/').at(-1) ?? '');
    return new Map([...Map.groupBy(ids, (id) => id)].map(([id, all]) => [id, all.length]));
  };
  let lines: AuditLine[];
  do {
    await delay(200);
    lines = await auditLines();
  } while (
    !(
      jobs.every((id) => about(lines, 'job.created').has(id)) &&
      cancelled.every((id) => about(lines, 'job.cancelled').has(id))
    )
  );
  const [created, ended] = [about(lines, 'job.created'), about(lines, 'job.cancelled')];
  expect(jobs.filter((id) => created.get(id) !== 1)).toEqual([]);
  expect(cancelled.filter((id) => ended.get(id) !== 1)).toEqual([]);
  const verified = await insist(() => get('/api/admin/audit/verify'));
  expect(await verified.json()).toMatchObject({ valid: true });
});
