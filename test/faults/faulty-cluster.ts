/**
 * A whole cluster whose every connection to Redis, Kafka and MongoDB runs through a fault proxy: real servers, the real gateway, a real worker
 * with its engine process. Gateway and worker live in the test's process, so that what it measures is theirs and not the start of programs.
 */
import { migrateTopics, openKafkaBus } from '@inkwell/adapters/kafka';
import { openMongoStore } from '@inkwell/adapters/mongo';
import { openRedisStore } from '@inkwell/adapters/redis';
import { clusterDependencies, createGateway, issueApiKey, watchWorkers } from '@inkwell/gateway';
import { openModelDirectory } from '@inkwell/gpt2';
import { createLog, createMetrics, type Logger } from '@inkwell/observability';
import { systemClock } from '@inkwell/ports';
import { retry } from '@inkwell/resilience';
import { createWorker } from '@inkwell/worker';
import { type FaultProxy, startFaultProxy } from '../../infra/services/fault-proxy.ts';
import { startOwnKafka } from '../../infra/services/kafka.ts';
import { startOwnMongo } from '../../infra/services/mongo.ts';
import { startOwnRedis } from '../../infra/services/redis.ts';
import { freePort } from '../../infra/services/running-service.ts';

export type DependencyName = 'redis' | 'kafka' | 'mongo';

export interface FaultyCluster {
  url: string;
  key: string;
  proxies: Record<DependencyName, FaultProxy>;
  /** Values of a metric of the gateway, by its labels as text. */
  metric(name: string): Promise<Map<string, number>>;
  close(): Promise<void>;
}

/** Of the gateway, and of the clients behind its ports. */
export const timeoutMs = 1_000;
export const budgetMs = 2_000;

const keySecret = 'a secret of the fault tests, 32 bytes or more';
const dayMs = 86_400_000;

/** A server that has just started on a busy machine may take longer than the deadlines of these tests. */
function patiently<T>(open: () => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(60_000);
  return retry(open, { firstMs: 100, longestMs: 1_000, signal, onFailure: () => {} });
}

const usualLog = () => createLog({ level: process.env.FAULTS_LOG === undefined ? 'silent' : 'warn', name: 'faults' });

/** @param paceMs what a token takes */
export async function startFaultyCluster(paceMs: number, log: Logger = usualLog()): Promise<FaultyCluster> {
  await using opened = new AsyncDisposableStack();
  const closing = <T extends { close(): Promise<void> }>(one: T) => opened.adopt(one, (it) => it.close());
  const stopping = <T extends { stop(): Promise<void> }>(one: T) => opened.adopt(one, (it) => it.stop());
  // A broker tells its clients where to connect, so Kafka has to know the proxy, which has to know Kafka.
  const kafkaPort = await freePort();
  const kafkaProxy = closing(await startFaultProxy(`127.0.0.1:${kafkaPort}`));
  const [redis, mongo] = await Promise.all([
    startOwnRedis().then(stopping),
    startOwnMongo().then(stopping),
    startOwnKafka({ port: kafkaPort, advertisedPort: kafkaProxy.port }).then(stopping),
  ]);
  const proxies = {
    redis: closing(await startFaultProxy(redis.url)),
    mongo: closing(await startFaultProxy(mongo.url)),
    kafka: kafkaProxy,
  };
  const brokers = [`127.0.0.1:${kafkaProxy.port}`];
  await migrateTopics({ brokers, topicPrefix: 'faults.', jobPartitions: 4, factPartitions: 1 });
  const openRedis = async () =>
    closing(
      await patiently(() =>
        openRedisStore({
          url: `redis://127.0.0.1:${proxies.redis.port}`,
          retentionMs: dayMs,
          deadlineMs: timeoutMs,
          log: (line) => log.warn(line),
        }),
      ),
    );
  const openKafka = async () =>
    closing(
      await openKafkaBus({
        brokers,
        topicPrefix: 'faults.',
        groupId: 'faults',
        clock: systemClock,
        deadlineMs: timeoutMs,
        log,
      }),
    );
  const keys = closing(
    await patiently(() => openMongoStore({ url: `mongodb://127.0.0.1:${proxies.mongo.port}`, deadlineMs: timeoutMs })),
  );
  const [gatewayRedis, gatewayKafka, workerRedis, workerKafka] = [
    await openRedis(),
    await openKafka(),
    await openRedis(),
    await openKafka(),
  ];
  const grant = { name: 'faults', tenant: 'acme', role: 'superuser', expiresAt: null } as const;
  const { key } = await issueApiKey(keys.keyStore, keySecret, Date.now(), grant);
  const model = await openModelDirectory({});
  const workers = await watchWorkers(gatewayRedis.workerRegistry, log);
  opened.defer(() => workers.close());
  const metrics = createMetrics();
  const gateway = createGateway({
    ports: { ...gatewayRedis, ...keys, jobBus: gatewayKafka.jobBus, factLog: gatewayKafka.factLog },
    dependencies: clusterDependencies,
    models: [model],
    config: { keySecret, dependencyTimeoutMs: timeoutMs, requestBudgetMs: budgetMs },
    workerStats: () => workers.stats(),
    log,
    metrics,
    clock: systemClock,
    version: '0.0.0-test',
  });
  opened.defer(() => gateway.close(0));
  const worker = createWorker({
    ports: { ...workerRedis, jobBus: workerKafka.jobBus, factLog: workerKafka.factLog },
    registry: workerRedis.workerRegistry,
    engine: { backend: 'null', modelDir: model.directory, threads: 1, nullPaceMs: paceMs, maxSequences: 32 },
    limits: { leaseTtlMs: 1_500 },
    log,
    metrics: createMetrics(),
    clock: systemClock,
  });
  opened.defer(() => worker.stop());
  await worker.start();
  const { url } = await gateway.listen(0, '127.0.0.1');
  const all = opened.move();
  return {
    url,
    key,
    proxies,
    async metric(name) {
      const { values } = (await metrics.registry.getSingleMetric(name)?.get()) ?? { values: [] };
      return new Map(values.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
    },
    close: () => all.disposeAsync(),
  };
}
