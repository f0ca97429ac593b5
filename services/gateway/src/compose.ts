/** A cluster's gateway put together: its ports over Redis, Kafka and MongoDB. The only file here that names adapters. */
import { openClusterKafka, openClusterMongo, openClusterRedis } from '@inkwell/adapters/cluster';
import { readServiceConfig, type ServiceConfig } from '@inkwell/contracts';
import { openModelDirectory } from '@inkwell/gpt2';
import { rateSettings } from '@inkwell/limits';
import { createLog, createMetrics } from '@inkwell/observability';
import { systemClock } from '@inkwell/ports';
import type { Service } from '@inkwell/resilience';
import { issueApiKey } from './auth/issue-api-key.ts';
import { clusterDependencies } from './dependency-plans.ts';
import { createGateway } from './gateway.ts';
import { edgeConfigOf } from './http/edge-config.ts';
import { identityConfig } from './identity-config.ts';
import { productVersion } from './product-version.ts';
import { watchPolicy } from './watch-policy.ts';
import { watchWorkers } from './workers-view.ts';

/** How long clients that cannot resume are given after SIGTERM. */
const graceMs = 10_000;
/** Of the clients of Redis, Kafka and MongoDB: no longer than what stands before them waits, or their last word comes too late (ADR 11). */
const deadlineMs = 2_000;

/** Throws an Error for people when a setting, the model, a server or the port cannot be used; nothing is left open then. */
export async function composeGateway(environment: NodeJS.ProcessEnv): Promise<Service> {
  const config = readServiceConfig(environment);
  const log = createLog({ level: config.INKWELL_LOG_LEVEL, name: 'gateway' });
  const model = await openModelDirectory({ directory: config.INKWELL_MODEL_DIR, id: config.INKWELL_MODEL_ID });
  const clock = systemClock;
  const metrics = createMetrics();
  await using opened = new AsyncDisposableStack();
  const closing = <Store extends { close(): Promise<void> }>(store: Store) => opened.adopt(store, (one) => one.close());
  const redis = closing(await openClusterRedis(config, log, { deadlineMs }));
  const mongo = closing(await openClusterMongo(config, { deadlineMs }));
  const kafka = closing(await openClusterKafka(config, clock, log, { deadlineMs }));
  await recordBootstrapKey(mongo.keyStore, config);
  const workers = await watchWorkers(redis.workerRegistry, log);
  opened.defer(() => workers.close());
  const policy = watchPolicy(config.INKWELL_POLICY_FILE, log);
  opened.defer(() => policy.close());
  const { close: _, jobHistory: __, ...mongoStores } = mongo;
  const gateway = createGateway({
    ports: { ...redis, ...mongoStores, jobBus: kafka.jobBus, factLog: kafka.factLog },
    dependencies: clusterDependencies,
    models: [model],
    config: {
      ...identityConfig(config),
      keySecret: config.INKWELL_KEY_SECRET,
      ...edgeConfigOf(config),
      responseCacheBytes: config.INKWELL_RESPONSE_CACHE_MB * 1_048_576,
      rates: rateSettings(config),
      limits: { maxQueued: config.INKWELL_MAX_QUEUED, maxQueuedPerTenant: config.INKWELL_MAX_QUEUED_PER_TENANT },
    },
    log,
    metrics,
    clock,
    workerStats: () => workers.stats(),
    policy: () => policy.current,
    version: productVersion(),
    async refreshMetrics() {
      for (const { topic, messages } of await kafka.lag()) metrics.consumerLag.set({ topic }, messages);
    },
  });
  const { url } = await gateway.listen(config.PORT, config.INKWELL_HOST);
  const stores = opened.move();
  return {
    about: { url, model: model.id },
    async stop() {
      await gateway.close(graceMs);
      await stores.disposeAsync();
    },
  };
}

/** Every gateway sees to it that the operator's key is there; only one of them makes the record. */
async function recordBootstrapKey(
  keyStore: Parameters<typeof issueApiKey>[0],
  { INKWELL_BOOTSTRAP_KEY: chosenKey, INKWELL_KEY_SECRET: secret }: ServiceConfig,
): Promise<void> {
  if (chosenKey === undefined) return;
  const grant = { name: 'bootstrap', tenant: 'default', role: 'superuser', expiresAt: null, chosenKey } as const;
  await issueApiKey(keyStore, secret, systemClock.now(), grant);
}
