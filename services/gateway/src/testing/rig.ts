/** A whole gateway over the real embedded store on a free port, for tests. Everything it makes is gone after `close`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EmbeddedStore, openEmbeddedStore } from '@inkwell/adapters/embedded';
import {
  type ApiKeyRecord,
  type Choice,
  type ErrorBody,
  isTerminal,
  type Role,
  unrestrictedKey,
} from '@inkwell/contracts';
import type { JobResource } from '@inkwell/contracts/http';
import { loadTokenizer, type Tokenizer } from '@inkwell/gpt2';
import { createLog, createMetrics, type Logger, type Metrics } from '@inkwell/observability';
import { type Delivery, systemClock } from '@inkwell/ports';
import type { ContentPolicy } from '@inkwell/safety';
import { createWorker } from '@inkwell/worker';
import { apiKeyPrefix, hashApiKey, makeApiKey } from '../auth/api-key.ts';
import type { GatewayConfig } from '../config.ts';
import type { GatewayPorts, WorkerStats } from '../context.ts';
import { createGateway, type Gateway } from '../gateway.ts';
import { LeaseLost, ScriptedWorker } from './scripted-worker.ts';

const vocabulary = fileURLToPath(new URL('../../../../shared/gpt2/test-data/gpt2-vocab', import.meta.url));
let tokenizer: Promise<Tokenizer> | undefined;

function testTokenizer(): Promise<Tokenizer> {
  tokenizer ??= loadTokenizer(vocabulary);
  return tokenizer;
}

export const testModel = 'test-model';
export const testContextLength = 1_024;

export interface RigOptions {
  /** Run by a real worker with a real engine process, instead of whatever the test plays; served as the only model. */
  engine?: { backend: 'wasm' | 'null'; modelDir: string; contextLength: number; nullPaceMs?: number };
  config?: Partial<GatewayConfig>;
  workerStats?: () => WorkerStats;
  policy?: () => ContentPolicy;
  log?: Logger;
  metrics?: Metrics;
  /** Stands between the gateway and the store, to slow it down or break it. */
  wrapPorts?: (ports: EmbeddedStore) => GatewayPorts;
}

export interface Rig {
  url: string;
  gateway: Gateway;
  ports: EmbeddedStore;
  /** A key of tenant `alice`, role superuser. */
  key: string;
  addKey(tenant: string, role?: Role, changes?: Partial<ApiKeyRecord>): Promise<string>;
  /** Another gateway over the same store; closed with the rig. */
  addGateway(): Promise<{ url: string }>;
  /** `fetch` with the rig's key (or another) and JSON bodies. */
  request(path: string, options?: RequestOptions): Promise<Response>;
  /** The same, with the body read. */
  json(path: string, options?: RequestOptions): Promise<JsonResponse>;
  /** The job once it has ended. */
  ended(id: string): Promise<AnyBody>;
  /** Starts the job as a worker would; the test says what it generates. */
  startWorker(id: string, tenant?: string): Promise<ScriptedWorker>;
  /** Takes every job from the real bus and plays the script for it. */
  serveJobs(script: Script): Promise<void>;
  close(): Promise<void>;
}

export type Script = (worker: ScriptedWorker) => Promise<void>;

/** Whatever a JSON answer may hold; tests read the members their answer has. */
type AnyBody = Omit<JobResource, 'error'> & {
  error: ErrorBody;
  data: JobResource[];
  has_more: boolean;
  choices: Choice[];
  cancelled: string[];
};

interface JsonResponse {
  status: number;
  headers: Headers;
  body: AnyBody;
}

interface RequestOptions {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  key?: string | null;
  signal?: AbortSignal;
}

/** A script that a cancel cuts short is done with, as a worker that lost its lease is. */
async function play(ports: GatewayPorts, delivery: Delivery, script: Script): Promise<void> {
  const { tenant, key } = delivery.message;
  try {
    await script(await ScriptedWorker.start(ports, tenant, key.slice(tenant.length + 1)));
  } catch (error) {
    if (!(error instanceof LeaseLost)) throw error;
  }
  await delivery.ack();
}

async function track(set: Set<Promise<void>>, work: Promise<void>): Promise<void> {
  set.add(work);
  await work.finally(() => set.delete(work));
}

const engineDefaults = { threads: 1, nullPaceMs: 0, maxSequences: 8 };
const keySecret = 'a secret of the tests, 32 bytes or more';

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-gateway-'));
  const ports = await openEmbeddedStore({ directory, clock: systemClock });
  const log = options.log ?? createLog({ level: 'silent', name: 'test' });
  const shared = { log, metrics: options.metrics ?? createMetrics(), clock: systemClock };
  const worker = options.engine && createWorker({ ...shared, ports, engine: { ...engineDefaults, ...options.engine } });
  const contextLength = options.engine?.contextLength ?? testContextLength;
  const tokenizer = options.engine ? await loadTokenizer(options.engine.modelDir) : await testTokenizer();
  const makeGateway = () =>
    createGateway({
      ...shared,
      ports: options.wrapPorts?.(ports) ?? ports,
      models: [{ id: testModel, created: 1_700_000_000, contextLength, tokenizer }],
      config: { keySecret, ...options.config },
      workerStats: worker ? () => worker.stats() : options.workerStats,
      ...(options.policy && { policy: options.policy }),
      version: '0.0.0-test',
    });
  const gateway = makeGateway();
  const others: Gateway[] = [];
  await worker?.start();
  const { url } = await gateway.listen(0, '127.0.0.1');
  const consumer = new AbortController();
  const scripts = new Set<Promise<void>>();
  let keys = 0;
  const addKey: Rig['addKey'] = async (tenant, role = 'user', changes = {}) => {
    const key = makeApiKey();
    keys += 1;
    await ports.keyStore.create({
      ...unrestrictedKey,
      id: `key_${keys}`,
      hash: hashApiKey(keySecret, key),
      prefix: apiKeyPrefix(key),
      name: 'test',
      tenant,
      role,
      createdAt: Date.now(),
      expiresAt: null,
      revokedAt: null,
      ...changes,
    });
    return key;
  };
  const key = await addKey('alice', 'superuser');
  const request: Rig['request'] = (path, { method, body, headers, key: otherKey, signal } = {}) => {
    const usedKey = otherKey === undefined ? key : otherKey;
    return fetch(url + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      body: typeof body === 'string' || body === undefined ? (body as string | undefined) : JSON.stringify(body),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(usedKey === null ? {} : { 'x-api-key': usedKey }),
        ...headers,
      },
      signal,
    });
  };
  const json: Rig['json'] = async (path, requestOptions) => {
    const response = await request(path, requestOptions);
    return { status: response.status, headers: response.headers, body: (await response.json()) as AnyBody };
  };
  return {
    url,
    gateway,
    ports,
    key,
    addKey,
    async addGateway() {
      const another = makeGateway();
      others.push(another);
      return another.listen(0, '127.0.0.1');
    },
    request,
    json,
    async ended(id) {
      for (;;) {
        const { body } = await json(`/v1/jobs/${id}?wait=60`);
        if (isTerminal(body.status)) return body;
      }
    },
    startWorker: (id, tenant = 'alice') => ScriptedWorker.start(ports, tenant, id),
    serveJobs: (script) =>
      ports.jobBus.consume({
        workerId: 'scripted',
        onDelivery: (delivery) => void track(scripts, play(ports, delivery, script)),
        onTakenBack: () => {},
        onCancel: () => {},
        signal: consumer.signal,
      }),
    async close() {
      consumer.abort();
      await Promise.all(scripts);
      await Promise.all([gateway.close(0), ...others.map((one) => one.close(0)), worker?.stop()]);
      await ports.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
