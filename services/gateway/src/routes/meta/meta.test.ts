import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rig, startRig, testModel } from '../../testing/rig.ts';
import { operations } from '../operations.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

interface Document {
  paths: Record<
    string,
    Record<string, { operationId: string; security: object[]; responses: Record<string, unknown> }>
  >;
}

describe('GET /openapi.json', () => {
  const read = async () => (await (await rig.request('/openapi.json', { key: null })).json()) as Document;

  it('is a valid OpenAPI 3.1 document', async () => {
    const { valid, errors } = await new Validator().validate({ ...(await read()) });
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
  });

  it('describes exactly what is served, with every error it can answer', async () => {
    const { paths } = await read();
    const described = Object.values(paths).flatMap((methods) => Object.values(methods).map((one) => one.operationId));
    expect(described.sort()).toEqual(operations.map(({ id }) => id).sort());
    const completion = paths['/v1/completions']!.post!;
    for (const status of ['200', '400', '401', '404', '409', '413', '415', '422', '429', '500', '503', '504']) {
      expect(completion.responses[status], status).toBeDefined();
    }
    for (const { access, method, path } of operations) {
      expect(paths[path]![method]!.security.length === 0, path).toBe(access === 'open');
    }
  });

  it('refuses without a key whatever it does not call open', async () => {
    for (const { access, method, path } of operations) {
      const response = await rig.request(path.replaceAll(/\{\w+\}/g, 'x'), {
        method: method.toUpperCase(),
        key: null,
        headers: { via: '1.1 proxy' },
      });
      expect(response.status === 401, `${method} ${path}`).toBe(access !== 'open');
      await response.body?.cancel();
    }
  });
});

describe('GET /docs', () => {
  it('serves the page and its files from here, under a policy that allows nothing else', async () => {
    const response = await rig.request('/docs', { key: null });
    const page = await response.text();
    expect(page).not.toMatch(/https?:\/\//);
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/);
    const links = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, link]) => link!);
    expect(links).toHaveLength(3);
    for (const link of links) {
      const file = await rig.request(link, { key: null });
      expect([link, file.status]).toEqual([link, 200]);
      expect((await file.text()).length).toBeGreaterThan(100);
    }
  });

  it.each(['package.json', 'constructor', '..%2F..%2Fpackage.json', '__proto__'])('has no file %s', async (file) => {
    expect((await rig.request(`/docs/${file}`, { key: null })).status).toBe(404);
  });
});

describe('GET /version and /metrics', () => {
  it('tell what runs and how it goes', async () => {
    const version = await rig.json('/version', { key: null });
    expect(version.body).toEqual({ name: 'inkwell', version: '0.0.0-test', node: process.versions.node });
    await rig.json('/v1/jobs', { body: { model: testModel, prompt: 'x', priority: 'batch' } });
    await rig.json('/v1/jobs', { body: { model: testModel } });
    const operator = await rig.addKey('ops', 'operator');
    const response = await rig.request('/metrics', { key: operator });
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    const text = await response.text();
    expect(text).toContain('inkwell_num_requests_waiting{priority="batch"} 1');
    expect(text).toContain('inkwell_jobs_accepted_total{priority="batch"} 1');
    expect(text).toContain('inkwell_http_requests_total{method="POST",route="/v1/jobs",status="202"} 1');
    expect(text).toContain('inkwell_errors_total{code="missing_parameter"} 1');
  });
});
