/**
 * A whole cluster on this machine: the servers nobody gave a URL for, then gateways, workers and the recorder as processes of their own, each
 * started again when it dies. `cluster.json` always says what runs.
 */
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { type ClusterConfig, kafkaServers } from '@inkwell/contracts';
import { makeApiKey } from '@inkwell/gateway';
import { freePort } from '../../../../infra/services/running-service.ts';
import { mostProcesses } from '../args.ts';
import { migrate } from '../compose-migration.ts';
import { firstKeyFile, loadServerSecret, openDataDirectory, readFirstKey, writeFirstKey } from '../data-directory.ts';
import { type ClusterFile, readClusterFile, removeClusterFile, writeClusterFile } from './cluster-file.ts';
import { controlPath, sendControl, serveControl } from './control.ts';
import { Keeper } from './keeper.ts';
import { endLeftovers } from './leftovers.ts';
import { ownServer, type ServerRole, serverRoles } from './own-servers.ts';
import { type ServiceRole, startService } from './service-process.ts';

interface ClusterSize {
  gateways: number;
  workers: number;
}

export interface ClusterOptions {
  config: ClusterConfig;
  environment: NodeJS.ProcessEnv;
  size: ClusterSize;
  onProgress(text: string): void;
}

export interface Cluster {
  gateways: readonly string[];
  /** Role and URL of what was started or joined; credentials in URLs are left out. */
  servers: Readonly<Record<ServerRole, string>>;
  dataDir: string;
  apiKeyFile: string | null;
  newApiKey: string | null;
  stop(): Promise<void>;
}

/** Throws an Error for people when it cannot be started; nothing is left running then. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const dataDir = resolve(options.config.INKWELL_DATA_DIR);
  openDataDirectory(dataDir);
  await refuseSecondCluster(dataDir);
  const cluster = new LocalCluster(dataDir, options);
  try {
    await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

async function refuseSecondCluster(dataDir: string): Promise<void> {
  const before = readClusterFile(dataDir);
  if (before === undefined) return;
  const alive = await sendControl(before.control, 'status').then(
    () => true,
    () => false,
  );
  if (alive)
    throw new Error(
      `A cluster runs in ${dataDir} already: ${before.gateways.join(', ')}. Stop it with Ctrl-C where it was started.`,
    );
  endLeftovers(before);
}

class LocalCluster implements Cluster {
  readonly dataDir: string;
  readonly #options: ClusterOptions;
  readonly #servers = new Map<ServerRole, Keeper>();
  readonly #services: Record<ServiceRole, Keeper[]> = { gateway: [], worker: [], recorder: [] };
  readonly #control: string;
  readonly #key: { key: string; made: boolean; isOurs: boolean };
  #serviceEnvironment: NodeJS.ProcessEnv = {};
  #controlServer: Awaited<ReturnType<typeof serveControl>> | undefined;
  #urls: Partial<Record<ServerRole, string>> = {};
  #ports: number[] = [];
  #stopped = false;

  constructor(dataDir: string, options: ClusterOptions) {
    this.dataDir = dataDir;
    this.#options = options;
    this.#control = controlPath(dataDir);
    this.#key = firstKey(dataDir, options.config.INKWELL_BOOTSTRAP_KEY);
  }

  get gateways(): string[] {
    return this.#services.gateway.map((keeper) => String(keeper.current?.about.url ?? '')).filter((url) => url !== '');
  }

  get servers(): Record<ServerRole, string> {
    return Object.fromEntries(serverRoles.map((role) => [role, withoutCredentials(this.#urls[role] ?? '')])) as Record<
      ServerRole,
      string
    >;
  }

  get apiKeyFile(): string | null {
    return this.#key.isOurs ? firstKeyFile(this.dataDir) : null;
  }

  get newApiKey(): string | null {
    return this.#key.made ? this.#key.key : null;
  }

  async start(): Promise<void> {
    const { config, environment, size, onProgress } = this.#options;
    if (config.PORT !== 0)
      for (let index = 0; index < size.gateways; index++)
        await refuseTakenPort(config.PORT + index, config.INKWELL_HOST);
    await this.#startServers();
    this.#serviceEnvironment = {
      ...environment,
      KAFKA_BROKERS: this.#urls.kafka,
      REDIS_URL: this.#urls.redis,
      MONGO_URL: this.#urls.mongo,
      INKWELL_BOOTSTRAP_KEY: this.#key.key,
      INKWELL_CACHE_DIR: environment.INKWELL_CACHE_DIR || join(this.dataDir, 'cache'),
      INKWELL_KEY_SECRET: environment.INKWELL_KEY_SECRET || loadServerSecret(this.dataDir),
    };
    const { KAFKA_BROKERS, INKWELL_NAMESPACE } = config;
    const kafka =
      KAFKA_BROKERS === undefined
        ? { brokers: [String(this.#urls.kafka)] }
        : kafkaServers({ ...config, KAFKA_BROKERS });
    await migrate(kafka, INKWELL_NAMESPACE);
    onProgress(`starting ${size.gateways} gateway(s), ${size.workers} worker(s) and the recorder …`);
    await Promise.all([
      this.#grow('recorder', 1),
      this.#grow('gateway', size.gateways),
      this.#grow('worker', size.workers),
    ]);
    this.#controlServer = await serveControl(this.#control, {
      status: () => this.#status(),
      scale: (body) => this.#scale(body),
      drain: (body) => this.#drain(body),
    });
    this.#write();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#controlServer?.close();
    const { gateway, worker, recorder } = this.#services;
    // Gateways first refuse what is new, workers finish what runs, the recorder writes what they told; then the servers may go.
    await Promise.all([...gateway, ...worker].map((keeper) => keeper.stop()));
    await Promise.all(recorder.map((keeper) => keeper.stop()));
    await Promise.all([...this.#servers.values()].map((keeper) => keeper.stop()));
    removeClusterFile(this.dataDir);
  }

  async #startServers(): Promise<void> {
    const { config, onProgress } = this.#options;
    this.#urls = { kafka: config.KAFKA_BROKERS?.join(','), redis: config.REDIS_URL, mongo: config.MONGO_URL };
    const own = serverRoles.filter((role) => this.#urls[role] === undefined);
    if (own.length > 0) onProgress(`starting ${own.map((role) => serverNames[role]).join(', ')} …`);
    await Promise.all(
      own.map(async (role) => {
        const keeper = new Keeper(role, serverNames[role], await ownServer(role, this.dataDir), this.#events);
        this.#servers.set(role, keeper);
        const { about } = await keeper.start();
        this.#urls[role] = String(about.url);
      }),
    );
  }

  readonly #events = {
    onChange: () => this.#write(),
    onTrouble: (name: string, what: string) => {
      if (!this.#stopped) this.#options.onProgress(`${name} ${what}`);
    },
  };

  /** Starts services until there are `count` of the role. All start at once. */
  async #grow(role: ServiceRole, count: number): Promise<void> {
    const keepers = this.#services[role];
    const starting: Promise<unknown>[] = [];
    while (keepers.length < count) {
      const index = keepers.length;
      const env = await this.#environmentOf(role, index);
      const keeper = new Keeper(role, `${role} ${index + 1}`, () => startService(role, env), this.#events);
      keepers.push(keeper);
      starting.push(keeper.start());
    }
    await Promise.all(starting);
  }

  async #shrink(role: ServiceRole, count: number): Promise<void> {
    await Promise.all(this.#services[role].splice(count).map((keeper) => keeper.stop()));
    this.#write();
  }

  async #environmentOf(role: ServiceRole, index: number): Promise<NodeJS.ProcessEnv> {
    if (role !== 'gateway') return { ...this.#serviceEnvironment, INKWELL_PROBE_PORT: '0' };
    const { PORT } = this.#options.config;
    // A gateway that dies comes back at the same address.
    this.#ports[index] ??= PORT === 0 ? await freePort() : PORT + index;
    return { ...this.#serviceEnvironment, PORT: `${this.#ports[index]}` };
  }

  #write(): void {
    if (this.#stopped) return;
    const keepers = [...this.#servers.values(), ...Object.values(this.#services).flat()];
    const processes = keepers.flatMap(({ role, current }) => {
      if (current === undefined) return [];
      const { event: _event, service: _service, url, ...about } = current.about;
      return [{ role, pid: current.pid, ...about, ...(url !== undefined && { url: withoutCredentials(String(url)) }) }];
    });
    const content: ClusterFile = {
      gateways: this.gateways,
      processes: [{ role: 'supervisor', pid: process.pid }, ...processes],
      control: this.#control,
    };
    writeClusterFile(this.dataDir, content);
  }

  async #status(): Promise<unknown> {
    const workers = await this.#admin('GET', '/api/admin/workers').catch((error: unknown) => ({
      error: error instanceof Error ? error.message : String(error),
    }));
    return { ...readClusterFile(this.dataDir), workers };
  }

  async #scale(body: unknown): Promise<unknown> {
    const wanted = body as Partial<Record<'workers' | 'gateways', unknown>>;
    for (const [name, role, least] of [
      ['workers', 'worker', 0],
      ['gateways', 'gateway', 1],
    ] as const) {
      const count = wanted[name];
      if (count === undefined) continue;
      if (typeof count !== 'number' || !Number.isInteger(count) || count < least || count > mostProcesses)
        throw new Error(`${name} must be a whole number from ${least} to ${mostProcesses}`);
      if (count < this.#services[role].length) await this.#shrink(role, count);
      else await this.#grow(role, count);
    }
    return { gateways: this.#services.gateway.length, workers: this.#services.worker.length };
  }

  async #drain(body: unknown): Promise<unknown> {
    const { worker } = body as { worker?: unknown };
    if (typeof worker !== 'string' || worker === '') throw new Error('name the worker to drain: drain worker=ID');
    return this.#admin('POST', `/api/admin/workers/${encodeURIComponent(worker)}/drain`);
  }

  /** Asks the first gateway that answers. */
  async #admin(method: string, path: string): Promise<unknown> {
    let failure: unknown = new Error('no gateway runs');
    for (const url of this.gateways) {
      try {
        const response = await fetch(url + path, {
          method,
          headers: { authorization: `Bearer ${this.#key.key}` },
          signal: AbortSignal.timeout(5_000),
        });
        const answer = (await response.json()) as { error?: { message: string } };
        if (response.ok) return answer;
        failure = new Error(answer.error?.message ?? `the gateway answered ${response.status}`);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}

/** Asked before anything is started: the servers would take seconds, only for a gateway to find its port taken. */
async function refuseTakenPort(port: number, host: string): Promise<void> {
  const probe = createServer();
  await new Promise<void>((done, reject) => {
    probe.once('error', () =>
      reject(
        new Error(
          `Port ${port} is taken. Stop what uses it, or start with another PORT; gateways take PORT, PORT + 1, …`,
        ),
      ),
    );
    probe.listen(port, host, () => probe.close(() => done()));
  });
}

const serverNames: Readonly<Record<ServerRole, string>> = {
  kafka: 'Kafka',
  redis: 'Redis',
  mongo: 'a MongoDB-compatible server',
};

function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}

/** The operator's own key, that of an earlier start, or a new one. */
function firstKey(dataDir: string, given: string | undefined): { key: string; made: boolean; isOurs: boolean } {
  if (given !== undefined) return { key: given, made: false, isOurs: false };
  const known = readFirstKey(dataDir);
  if (known !== undefined) return { key: known, made: false, isOurs: true };
  const key = makeApiKey();
  writeFirstKey(dataDir, key);
  return { key, made: true, isOurs: true };
}
