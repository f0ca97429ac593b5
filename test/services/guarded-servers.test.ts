/** A cluster over servers that let nobody in but over TLS and, where the server knows passwords, by password. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../../infra/services/certificate.ts';
import { startOwnKafka } from '../../infra/services/kafka.ts';
import { startOwnMongo } from '../../infra/services/mongo.ts';
import { startOwnRedis } from '../../infra/services/redis.ts';
import { ClusterProcess } from '../support/cluster-process.ts';
import { mainFile, testKey } from '../support/product-process.ts';
import { collectStream, textOf } from '../support/sse.ts';

const username = 'inkwell';
const password = 'only-for-guarded-servers-4711';
const opened = new AsyncDisposableStack();
const stopping = <T extends { stop(): Promise<void> }>(one: T) => opened.adopt(one, (it) => it.stop());

let servers: Record<string, string>;
beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-certificate-'));
  opened.defer(() => rm(directory, { recursive: true }));
  const certificate = await makeCertificate(directory);
  const guard = { ...certificate, username, password };
  const [kafka, redis, mongo] = await Promise.all([
    startOwnKafka({ guard }).then(stopping),
    startOwnRedis({ guard }).then(stopping),
    startOwnMongo({ guard: certificate }).then(stopping),
  ]);
  servers = {
    KAFKA_BROKERS: kafka.url,
    KAFKA_TLS: 'on',
    KAFKA_USERNAME: username,
    KAFKA_PASSWORD: password,
    REDIS_URL: redis.url,
    MONGO_URL: mongo.url,
    NODE_EXTRA_CA_CERTS: certificate.certificateFile,
  };
}, 180_000);
afterAll(() => opened.disposeAsync(), 60_000);

it.each(['scram-sha-512', 'plain'])(
  'works whole over TLS, known to Kafka by %s',
  async (mechanism) => {
    const cluster = new ClusterProcess({
      gateways: 1,
      workers: 1,
      keptOutput: Number.POSITIVE_INFINITY,
      env: { ...servers, KAFKA_SASL_MECHANISM: mechanism, INKWELL_BACKEND: 'null', INKWELL_LOG_LEVEL: 'debug' },
    });
    try {
      await cluster.start();
      const made = await cluster.request('/v1/jobs', {
        body: { model: 'inkwell-small', prompt: 'Once', max_tokens: 20, ignore_eos: true },
      });
      expect(made.status).toBe(202);
      const { id } = (await made.json()) as { id: string };
      const events = () => `${cluster.url}/v1/jobs/${id}/events`;
      const stream = await collectStream(events, { authorization: `Bearer ${testKey}` }, AbortSignal.timeout(60_000));
      expect(textOf(stream.events).length).toBeGreaterThan(0);
      expect(stream.events.at(-1)?.type).toBe('job.completed');
      // Through Kafka and the recorder into MongoDB.
      const audited = async () => {
        const response = await cluster.request('/api/admin/audit?limit=100');
        expect(response.status).toBe(200);
        return JSON.stringify(await response.json());
      };
      await expect.poll(audited, { timeout: 30_000 }).toContain(id);
      expect(cluster.output).not.toContain(password);
    } finally {
      await cluster.dispose();
    }
  },
  120_000,
);

describe('a start that is not let in', () => {
  const refused = (changed: Record<string, string>) => {
    const env = { ...process.env, ...servers, ...changed };
    const { status, stderr } = spawnSync(process.execPath, [mainFile, 'cluster', 'migrate'], {
      env,
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(status, stderr).toBe(1);
    expect(stderr).not.toContain(password);
    return stderr;
  };

  it('says that the password is wrong', () => {
    const said = refused({ KAFKA_PASSWORD: 'a-wrong-one-0815' });
    expect(said).toMatch(/Kafka at .*Check KAFKA_USERNAME and KAFKA_PASSWORD/);
    expect(said).not.toContain('0815');
  });

  it('says that nobody vouches for the certificate', () => {
    expect(refused({ NODE_EXTRA_CA_CERTS: '' })).toMatch(/Kafka at .*self-signed certificate.*NODE_EXTRA_CA_CERTS/);
  });

  it('says that the brokers want TLS or another name', () => {
    expect(refused({ KAFKA_TLS: 'off' })).toMatch(/Kafka at .*Check KAFKA_BROKERS and KAFKA_TLS/);
  });
});
