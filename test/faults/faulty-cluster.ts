/**
 * A whole cluster, as `inkwell cluster` starts it, whose every connection to Redis, Kafka and MongoDB runs through a fault proxy: real servers,
 * two gateways, two workers and the recorder as processes of their own.
 */
import { type FaultProxy, startFaultProxy } from '../../infra/services/fault-proxy.ts';
import { startOwnKafka } from '../../infra/services/kafka.ts';
import { startOwnMongo } from '../../infra/services/mongo.ts';
import { startOwnRedis } from '../../infra/services/redis.ts';
import { freePort } from '../../infra/services/running-service.ts';
import { ClusterProcess } from '../support/cluster-process.ts';
import { testKey } from '../support/product-process.ts';

export type DependencyName = 'redis' | 'kafka' | 'mongo';

export interface FaultyCluster {
  /** Another gateway each time it is asked for. */
  readonly url: string;
  key: string;
  proxies: Record<DependencyName, FaultProxy>;
  /** All that its processes logged. */
  readonly output: string;
  close(): Promise<void>;
}

/** What gateways use: how long one call may take, and all calls of a request together. */
export const timeoutMs = 2_000;
export const budgetMs = 3_000;

/** @param paceMs what a token takes */
export async function startFaultyCluster(paceMs: number, logLevel = 'warn'): Promise<FaultyCluster> {
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
  const cluster = new ClusterProcess({
    keptOutput: Number.POSITIVE_INFINITY,
    env: {
      INKWELL_LOG_LEVEL: logLevel,
      KAFKA_BROKERS: `127.0.0.1:${proxies.kafka.port}`,
      REDIS_URL: `redis://127.0.0.1:${proxies.redis.port}`,
      MONGO_URL: `mongodb://127.0.0.1:${proxies.mongo.port}`,
      INKWELL_BACKEND: 'null',
      INKWELL_NULL_PACE_MS: `${paceMs}`,
      // Clients of all kinds ask without a pause.
      INKWELL_LIMIT_KEY_PER_MINUTE: 'off',
    },
  });
  opened.defer(() => cluster.dispose());
  await cluster.start();
  const all = opened.move();
  return {
    get url() {
      return cluster.url;
    },
    get output() {
      return cluster.output;
    },
    key: testKey,
    proxies,
    close: () => all.disposeAsync(),
  };
}
