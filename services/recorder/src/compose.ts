/** A cluster's recorder put together: facts from Kafka into MongoDB. The only file here that names adapters. */
import { openClusterKafka, openClusterMongo } from '@inkwell/adapters/cluster';
import { readServiceConfig } from '@inkwell/contracts';
import { createLog, createMetrics, serveProbes } from '@inkwell/observability';
import { systemClock } from '@inkwell/ports';
import type { Service } from '@inkwell/resilience';
import { startHousekeeping } from './housekeeping.ts';
import { createRecorder } from './recorder.ts';
import { startWebhookSender } from './webhooks/webhook-sender.ts';

/** How long what is at hand may take after SIGTERM; what is left comes again at the next start. */
const lastFactsMs = 5_000;

/** Throws an Error for people when a setting or a server cannot be used; nothing is left open then. */
export async function composeRecorder(environment: NodeJS.ProcessEnv): Promise<Service> {
  const config = readServiceConfig(environment);
  const log = createLog({ level: config.INKWELL_LOG_LEVEL, name: 'recorder' });
  const clock = systemClock;
  const metrics = createMetrics();
  await using opened = new AsyncDisposableStack();
  const closing = <Store extends { close(): Promise<void> }>(store: Store) => opened.adopt(store, (one) => one.close());
  const mongo = closing(await openClusterMongo(config));
  const kafka = closing(await openClusterKafka(config, clock, log));
  const sender = startWebhookSender({
    webhookQueue: mongo.webhookQueue,
    serverSecret: config.INKWELL_KEY_SECRET,
    rules: { allowedHosts: new Set(config.INKWELL_WEBHOOK_ALLOWED_HOSTS) },
    log,
    metrics,
    clock,
  });
  opened.defer(() => sender.stop());
  const housekeeping = startHousekeeping({ ...mongo, clock, log });
  opened.defer(() => housekeeping.stop());
  const recorder = createRecorder({
    ...mongo,
    factLog: kafka.factLog,
    onWebhooks: () => sender.wake(),
    log,
    metrics,
    clock,
  });
  let ready = false;
  const probes = closing(
    await serveProbes({
      port: config.INKWELL_PROBE_PORT,
      host: config.INKWELL_HOST,
      metrics,
      isReady: () => ready,
    }),
  );
  opened.defer(() => recorder.stop(0));
  await recorder.start();
  ready = true;
  const stores = opened.move();
  return {
    about: { url: probes.url },
    async stop() {
      ready = false;
      await recorder.stop(lastFactsMs);
      await stores.disposeAsync();
    },
  };
}
