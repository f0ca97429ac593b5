/** A cluster's worker put together: its ports over Redis and Kafka. The only file here that names adapters. */
import { randomUUID } from 'node:crypto';
import { openClusterKafka, openClusterRedis } from '@inkwell/adapters/cluster';
import { readServiceConfig } from '@inkwell/contracts';
import { modelChecksums, openModelDirectory } from '@inkwell/gpt2';
import { createLog, createMetrics, serveProbes } from '@inkwell/observability';
import { systemClock } from '@inkwell/ports';
import type { Service } from '@inkwell/resilience';
import { engineConfigOf } from './engine-process/engine-config.ts';
import { numericsOf } from './numerics.ts';
import { createWorker } from './worker.ts';

/** How long a running job may go on after SIGTERM before it is handed over. */
const drainMs = 10_000;
/** A reader waits about this long, and as long again for a look, when a worker dies; it is renewed every half second. */
const leaseTtlMs = 1_500;
/** Of the clients of Redis, Kafka and MongoDB: no longer than what stands before them waits, or their last word comes too late (ADR 11). */
const deadlineMs = 2_000;

/** Throws an Error for people when a setting, the model or a server cannot be used; nothing is left open then. */
export async function composeWorker(environment: NodeJS.ProcessEnv): Promise<Service> {
  const config = readServiceConfig(environment);
  const workerId = `worker-${randomUUID().slice(0, 8)}`;
  const log = createLog({ level: config.INKWELL_LOG_LEVEL, name: workerId });
  const model = await openModelDirectory({ directory: config.INKWELL_MODEL_DIR, id: config.INKWELL_MODEL_ID });
  // Read while the engine loads. That one file or another cannot be read is heard when it has.
  const checksums = modelChecksums(model.directory);
  checksums.catch(() => {});
  const clock = systemClock;
  const metrics = createMetrics();
  await using opened = new AsyncDisposableStack();
  const closing = <Store extends { close(): Promise<void> }>(store: Store) => opened.adopt(store, (one) => one.close());
  const redis = closing(await openClusterRedis(config, log, { deadlineMs }));
  const kafka = closing(await openClusterKafka(config, clock, log, { deadlineMs }));
  const worker = createWorker({
    ports: { ...redis, jobBus: kafka.jobBus, factLog: kafka.factLog },
    workerId,
    registry: redis.workerRegistry,
    handoff: redis.handoff,
    model: model.id,
    numerics: async (info) => numericsOf(model.id, await checksums, info),
    limits: { leaseTtlMs },
    engine: engineConfigOf(config, model.directory, config.INKWELL_CACHE_DIR),
    log,
    metrics,
    clock,
  });
  opened.defer(() => worker.stop());
  const probes = closing(
    await serveProbes({
      port: config.INKWELL_PROBE_PORT,
      host: config.INKWELL_HOST,
      metrics,
      isReady: () => worker.stats().ready,
      refresh: async () => metrics.rebalances.set(kafka.rebalances()),
    }),
  );
  await worker.start();
  const stores = opened.move();
  return {
    about: { id: workerId, model: model.id, url: probes.url },
    async stop() {
      await worker.drain(drainMs);
      await stores.disposeAsync();
    },
  };
}
