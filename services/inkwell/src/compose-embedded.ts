/**
 * The embedded edition put together: gateway, worker and recorder in this process over one SQLite file, the engine in a process of its own. The only
 * file that names its adapters.
 */
import { join, resolve } from 'node:path';
import { openEmbeddedStore } from '@inkwell/adapters/embedded';
import type { EmbeddedConfig } from '@inkwell/contracts';
import { createGateway, edgeConfigOf, identityConfig, issueApiKey, makeApiKey, watchPolicy } from '@inkwell/gateway';
import { openModelDirectory } from '@inkwell/gpt2';
import { rateSettings } from '@inkwell/limits';
import { createLog, createMetrics } from '@inkwell/observability';
import { type KeyStore, type ModelBackendInfo, systemClock } from '@inkwell/ports';
import { createRecorder, startWebhookSender } from '@inkwell/recorder';
import { createWorker, engineConfigOf } from '@inkwell/worker';
import { firstKeyFile, loadServerSecret, openDataDirectory, readFirstKey, writeFirstKey } from './data-directory.ts';
import { startRetention } from './retention.ts';

/** Time for facts that are being recorded when everything else has stopped. */
const lastFactsMs = 2_000;
/** How long a running job may go on after SIGTERM before it is left to the next start. */
const drainMs = 10_000;

export interface EmbeddedEdition {
  url: string;
  modelId: string;
  dataDir: string;
  /** Where the key of the first start lies; null when the operator brought or keeps it. */
  apiKeyFile: string | null;
  newApiKey: string | null;
  /** Resolves when the engine has loaded its model and jobs are taken. */
  ready: Promise<ModelBackendInfo | null>;
  /** Finishes what runs, keeps the rest on disk, closes everything. */
  stop(): Promise<void>;
}

/** Throws an Error for people when the data directory, the model or the port cannot be used; nothing is left open then. */
export async function composeEmbedded(
  config: EmbeddedConfig,
  version: string,
  onLoading: (percent: number) => void,
): Promise<EmbeddedEdition> {
  const dataDir = resolve(config.INKWELL_DATA_DIR);
  openDataDirectory(dataDir);
  const model = await openModelDirectory({ directory: config.INKWELL_MODEL_DIR, id: config.INKWELL_MODEL_ID });
  const log = createLog({ level: config.INKWELL_LOG_LEVEL, name: 'inkwell' });
  const policy = watchPolicy(config.INKWELL_POLICY_FILE, log);
  const store = await openEmbeddedStore({ directory: join(dataDir, 'store'), clock: systemClock, log });
  try {
    const keySecret = loadServerSecret(dataDir);
    const firstKey = await ensureFirstKey(store.keyStore, keySecret, dataDir, config.INKWELL_BOOTSTRAP_KEY);
    const parts = { ports: store, log, metrics: createMetrics(), clock: systemClock };
    const worker = createWorker({
      ...parts,
      onLoading,
      registry: store.workerRegistry,
      model: model.id,
      engine: engineConfigOf(config, model.directory, join(dataDir, 'cache')),
    });
    const gateway = createGateway({
      ...parts,
      models: [model],
      config: {
        ...identityConfig(config),
        keySecret,
        ...edgeConfigOf(config),
        responseCacheBytes: config.INKWELL_RESPONSE_CACHE_MB * 1_048_576,
        rates: rateSettings(config),
        limits: { maxQueued: config.INKWELL_MAX_QUEUED, maxQueuedPerTenant: config.INKWELL_MAX_QUEUED_PER_TENANT },
      },
      workerStats: () => worker.stats(),
      policy: () => policy.current,
      version,
    });
    const { url } = await gateway.listen(config.PORT, config.INKWELL_HOST).catch(async (error: unknown) => {
      await worker.stop();
      throw error;
    });
    const webhookHosts = new Set(config.INKWELL_WEBHOOK_ALLOWED_HOSTS);
    const sender = startWebhookSender({
      ...parts,
      ...store,
      serverSecret: keySecret,
      rules: { allowedHosts: webhookHosts },
    });
    const recorder = createRecorder({ ...parts, ...store, onWebhooks: () => sender.wake() });
    await recorder.start();
    const retention = startRetention(store, config.INKWELL_RETENTION_HOURS, systemClock, log);
    return {
      url,
      modelId: model.id,
      dataDir,
      ...firstKey,
      ready: worker.start().then(() => worker.stats().engine),
      async stop() {
        retention.stop();
        policy.close();
        // Together: clients of running jobs get their ends while the worker drains.
        await Promise.all([gateway.close(drainMs), worker.drain(drainMs)]);
        await recorder.stop(lastFactsMs);
        await sender.stop();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Sees to it that there is a superuser's key: the operator's own, or one made on the first start. A made key is written to its file before it
 * is recorded, so that a crash in between leaves no key that nobody knows.
 */
async function ensureFirstKey(keyStore: KeyStore, secret: string, dataDir: string, bootstrapKey: string | undefined) {
  const record = (chosenKey: string) =>
    issueApiKey(keyStore, secret, systemClock.now(), {
      name: 'bootstrap',
      tenant: 'default',
      role: 'superuser',
      expiresAt: null,
      chosenKey,
    });
  if (bootstrapKey !== undefined) {
    await record(bootstrapKey);
    return { apiKeyFile: null, newApiKey: null };
  }
  const known = readFirstKey(dataDir);
  if (known === undefined && (await keyStore.list()).length > 0) return { apiKeyFile: null, newApiKey: null };
  const key = known ?? makeApiKey();
  if (known === undefined) writeFirstKey(dataDir, key);
  await record(key);
  return { apiKeyFile: firstKeyFile(dataDir), newApiKey: known === undefined ? key : null };
}
