/**
 * The environment that configures both editions, as one schema each: types, validation, defaults and `.env.example` all come from it. A
 * value that isn't valid stops the start with the variable's name and what it may be; secrets are never repeated in that message.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { kafkaProblems, kafkaSettings } from './kafka-settings.ts';

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

/** Several values in one variable, separated by commas. */
const listOf = (item: z.ZodType<string, string>) =>
  z
    .string()
    .transform((list) => list.split(',').map((one) => one.trim()))
    .pipe(z.array(item))
    .default([]);

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  return (
    family !== 0 &&
    rest.length === 0 &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32)))
  );
}

const network = z
  .string()
  .refine(isNetwork, { error: 'must be addresses or networks like 10.0.0.0/8, separated by commas' });
const hostName = z
  .string()
  .regex(
    /^(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/,
    'must be host names like api.example.com or *.example.com, separated by commas',
  );
const origin = z.string().refine((text) => text === '*' || (URL.canParse(text) && new URL(text).origin === text), {
  error: 'must be origins like https://app.example.com, separated by commas, or *',
});

const receiver = z.string().regex(/^[a-z0-9.-]{1,253}(:\d{1,5})?$/, {
  error: 'must be host names or addresses, also with a port, separated by commas',
});

/** How the gateway meets the outside. */
const edgeSettings = {
  INKWELL_TRUSTED_PROXIES: listOf(network).describe(
    'Addresses and networks of proxies in front of the gateway, whose X-Forwarded-For and X-Forwarded-Proto are believed.',
  ),
  INKWELL_TRUSTED_HOSTS: listOf(hostName).describe(
    'Host names under which requests are taken, also *.example.com; none named: any.',
  ),
  INKWELL_CORS_ORIGINS: listOf(origin).describe(
    'Origins whose pages may call the API, like https://app.example.com; * for all; none named: none.',
  ),
  INKWELL_WEBHOOK_ALLOWED_HOSTS: listOf(receiver).describe(
    'Hosts, also host:port, that webhooks may call although they are not public or speak plain HTTP.',
  ),
  INKWELL_REQUIRE_HTTPS: z
    .enum(['on', 'off'])
    .default('off')
    .describe(
      'on: plain HTTP is redirected to HTTPS, or refused if it carried a key or body. Name the proxy that ends TLS in INKWELL_TRUSTED_PROXIES.',
    ),
};
/** A limit: a whole number from 1, or `off` (null). */
const limit = (fallback: number | null) =>
  z
    .string()
    .regex(/^(off|[1-9]\d{0,14})$/, 'must be a whole number from 1, or off')
    .transform((text) => (text === 'off' ? null : Number(text)))
    .default(fallback);

/** Enough of it, and not one character typed over and over. */
const secretText = z
  .string()
  .min(32, 'must have at least 32 characters')
  .refine((text) => new Set(text).size >= 10, 'is too easy to guess: use random characters');

type Environment = Readonly<Record<string, string | undefined>>;

const identitySettings = {
  INKWELL_TOKEN_SECRET: z
    .string()
    .transform((list) => list.split(',').map((one) => one.trim()))
    .pipe(z.array(secretText).min(1).max(5))
    .optional()
    .describe(
      'Secrets that sign tokens and sessions, newest first, separated by commas. Default: derived from the key secret.',
    ),
  INKWELL_OPEN_REGISTRATION: z
    .enum(['on', 'off'])
    .default('on')
    .describe('Whether people may make accounts for themselves.'),
  INKWELL_PUBLIC_URL: z
    .string()
    .regex(/^https?:\/\/[^\s/?#]+$/, 'must be a URL like https://inkwell.example.org, without a path')
    .optional()
    .describe('Where clients reach this installation. With https, cookies are only sent over TLS.'),
  INKWELL_GITHUB_CLIENT_ID: z
    .string()
    .min(1)
    .optional()
    .describe('OAuth app for signing in through GitHub: its client id.'),
  INKWELL_GITHUB_CLIENT_SECRET: z
    .string()
    .min(1)
    .optional()
    .describe('OAuth app for signing in through GitHub: its secret.'),
  INKWELL_GITHUB_URL: z
    .string()
    .regex(/^https?:\/\/\S+[^/\s]$/)
    .default('https://github.com')
    .describe('GitHub, or a GitHub Enterprise Server.'),
  INKWELL_GITHUB_API_URL: z
    .string()
    .regex(/^https?:\/\/\S+[^/\s]$/)
    .default('https://api.github.com')
    .describe('Its API.'),
};

/** Secrets may also lie in a file named by the variable with `_FILE` at its end, as orchestrators hand them over. */
const mayLieInFiles = [
  'INKWELL_KEY_SECRET',
  'INKWELL_TOKEN_SECRET',
  'INKWELL_BOOTSTRAP_KEY',
  'INKWELL_GITHUB_CLIENT_SECRET',
  'KAFKA_PASSWORD',
  'REDIS_URL',
  'MONGO_URL',
];

/** Throws an Error naming the variable when its file cannot be read, or both are set. */
function withSecretFiles(environment: Environment): Environment {
  const found: Record<string, string> = {};
  for (const name of mayLieInFiles) {
    const path = environment[`${name}_FILE`];
    if (!path) continue;
    if (environment[name]) throw new Error(`Set either ${name} or ${name}_FILE, not both.`);
    try {
      found[name] = readFileSync(path, 'utf8').trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(`${name}_FILE cannot be read (${code ?? 'unknown error'}): ${path}`);
    }
    if (found[name] === '') throw new Error(`The file of ${name}_FILE is empty: ${path}`);
  }
  return { ...environment, ...found };
}

/** Variable → schema; the description is what `.env.example` says of it. */
const embeddedEnvironment = z.object({
  PORT: wholeNumber(0, 65_535).default(8080).describe('Port of the HTTP server; 0 takes any free one.'),
  INKWELL_HOST: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address to listen on; 0.0.0.0 opens it to the network.'),
  INKWELL_DATA_DIR: z.string().min(1).default('./.inkwell').describe('Where everything durable lives.'),
  INKWELL_BOOTSTRAP_KEY: z
    .string()
    .min(32, 'must have at least 32 characters')
    .max(256)
    .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII without spaces')
    .optional()
    .describe("The first superuser's API key; without it one is made on the first start."),
  INKWELL_MODEL_DIR: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A GPT-2 in Hugging Face layout: config.json, model.safetensors, vocab.json, merges.txt. Default: the bundled model.',
    ),
  INKWELL_MODEL_ID: z
    .string()
    .regex(/^[\w./-]{1,100}$/)
    .optional()
    .describe("The model's name in the API; default: the name of its folder."),
  INKWELL_BACKEND: z
    .enum(['auto', 'native', 'wasm', 'tfjs', 'tfjs-node', 'tfjs-node-gpu', 'webgpu', 'null'])
    .default('auto')
    .describe(
      "What computes: native (our kernels compiled by npm run build:native), wasm (our kernels in WebAssembly), tfjs (TensorFlow.js's own operations, slow: the reference), tfjs-node (the same in libtensorflow, after npm run build:tfjs-node), tfjs-node-gpu (on an NVIDIA card, after npm run build:tfjs-node -- --gpu), webgpu (our kernels on a graphics card, after npm run install:webgpu), or null (no model: fixed tokens, to measure everything else). auto picks the best that works.",
    ),
  INKWELL_THREADS: wholeNumber(0, 64)
    .default(0)
    .describe('Threads of the native and wasm backends; 0 = one per core, at most four.'),
  INKWELL_QUANTIZATION: z
    .enum(['auto', 'none', 'int8', 'int4', 'w4a8'])
    .default('auto')
    .describe(
      'How weights are kept: none (32-bit floats), int8, int4 (less memory, slower, less exact), w4a8 (4-bit weights for 8-bit activations: the fastest and least exact, native only), or auto: int8 where the model allows it, and on a graphics card none. webgpu has none and int8. Workers of one model must agree.',
    ),
  INKWELL_KV_CACHE: z
    .enum(['auto', 'int8', 'int4'])
    .default('auto')
    .describe(
      'How keys and values are kept where weights are quantised: int8, int4 (half the memory, a little less exact), or auto: int8. Weights kept as floats, and tfjs and webgpu, have floats and take auto alone. Workers of one model must agree.',
    ),
  INKWELL_WIDE_VECTORS: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe(
      'auto joins WebAssembly vectors to 256 bits where that was tried and tests itself right; off never does.',
    ),
  INKWELL_SPECULATION: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe(
      'auto computes guesses at the next tokens along where that is measured to pay; off never does. Texts are the same.',
    ),
  INKWELL_NULL_PACE_MS: wholeNumber(0, 60_000).default(0).describe('Milliseconds a step of the null backend takes.'),
  INKWELL_MAX_QUEUED: wholeNumber(1, 10_000_000).default(20_000).describe('Most jobs waiting; beyond it 503.'),
  INKWELL_MAX_QUEUED_PER_TENANT: wholeNumber(1, 10_000_000)
    .default(10_000)
    .describe('Most jobs waiting of one tenant; beyond it 429.'),
  INKWELL_LIMIT_IP_PER_MINUTE: limit(null).describe(
    'Most creating requests and sign-ins per minute of one address (IPv6: of one /64), or off. See INKWELL_TRUSTED_PROXIES first.',
  ),
  INKWELL_LIMIT_USER_PER_MINUTE: limit(10).describe('Most creating requests per minute of a signed-in user, or off.'),
  INKWELL_LIMIT_USER_TOKENS_PER_MINUTE: limit(null).describe('Most tokens per minute of a user, or off.'),
  INKWELL_LIMIT_USER_TOKENS_PER_DAY: limit(null).describe('Token budget of a user per UTC day, or off.'),
  INKWELL_LIMIT_USER_TOKENS_PER_MONTH: limit(null).describe('Token budget of a user per UTC month, or off.'),
  INKWELL_LIMIT_KEY_PER_MINUTE: limit(100).describe(
    "Most creating requests per minute of an API key, or off. A key's own limits win; superusers have only those.",
  ),
  INKWELL_LIMIT_KEY_TOKENS_PER_MINUTE: limit(null).describe('Most tokens per minute of an API key, or off.'),
  INKWELL_LIMIT_KEY_TOKENS_PER_DAY: limit(null).describe('Token budget of an API key per UTC day, or off.'),
  INKWELL_LIMIT_KEY_TOKENS_PER_MONTH: limit(null).describe('Token budget of an API key per UTC month, or off.'),
  INKWELL_LIMIT_READS_PER_MINUTE: limit(6_000).describe(
    'Most reading requests (polls, streams, lists) per minute of one caller at one gateway, or off.',
  ),
  INKWELL_RETENTION_HOURS: wholeNumber(24, 87_600)
    .default(168)
    .describe('How long finished jobs and their events are kept, at least 24.'),
  ...edgeSettings,
  INKWELL_RESPONSE_CACHE_MB: wholeNumber(0, 65_536)
    .default(32)
    .describe('Room of each gateway for kept answers of deterministic requests that ask for it, in MiB; 0 keeps none.'),
  INKWELL_POLICY_FILE: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The content policy: a JSON file like shared/safety/src/default-policy.json, which is used without it. Changes are seen within seconds.',
    ),
  ...identitySettings,
  INKWELL_LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('warn')
    .describe('Least severe log line written (JSON, on stderr).'),
});

export type EmbeddedConfig = z.infer<typeof embeddedEnvironment>;

const urlOf = (schemes: string, example: string) =>
  z.string().regex(new RegExp(`^(${schemes})://\\S+$`), { error: `must be a URL like ${example}` });

/** Where a cluster's servers are. Left out, `inkwell cluster` starts servers of its own. */
const serverSettings = {
  ...kafkaSettings,
  REDIS_URL: urlOf('rediss?', 'redis://host:6379').describe(
    'Redis 7 or newer, with an append-only file and no eviction.',
  ),
  MONGO_URL: urlOf('mongodb(\\+srv)?', 'mongodb://host:27017').describe('MongoDB, or a server of its wire protocol.'),
};

const clusterSettings = {
  INKWELL_NAMESPACE: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,40}$/, 'must be up to 41 of a-z, 0-9 and -, beginning with a letter')
    .default('inkwell')
    .describe('Begins the names of all topics, groups and keys, and names the database: to share servers.'),
};

const { INKWELL_DATA_DIR: _dataDir, ...sharedSettings } = embeddedEnvironment.shape;

/** One process of a cluster: gateway, worker or recorder. */
const serviceEnvironment = z
  .object({
    ...sharedSettings,
    ...serverSettings,
    ...clusterSettings,
    INKWELL_PROBE_PORT: wholeNumber(0, 65_535)
      .default(9464)
      .describe('Port of a worker or recorder for /metrics and /health/readiness; 0 takes any free one.'),
    INKWELL_CACHE_DIR: z
      .string()
      .min(1)
      .optional()
      .describe('Where a worker keeps quantised weights and compiled modules for the next start; nowhere if not set.'),
    INKWELL_KEY_SECRET: secretText.describe(
      'Secret under which API keys are hashed, the same for all gateways: 32 random characters or more.',
    ),
  })
  .superRefine(kafkaProblems);

export type ServiceConfig = z.infer<typeof serviceEnvironment>;

const clusterEnvironment = z
  .object({
    ...embeddedEnvironment.shape,
    ...clusterSettings,
    ...kafkaSettings,
    KAFKA_BROKERS: kafkaSettings.KAFKA_BROKERS.optional(),
    REDIS_URL: serverSettings.REDIS_URL.optional(),
    MONGO_URL: serverSettings.MONGO_URL.optional(),
  })
  .superRefine(kafkaProblems);

/** Of the command that starts a whole cluster on this machine. */
export type ClusterConfig = z.infer<typeof clusterEnvironment>;

/** Throws an Error that names every wrong variable, one per line, without its value. */
function read<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>, fromOutside: Environment) {
  const environment = withSecretFiles(fromOutside);
  const known = Object.keys(schema.shape);
  // An empty variable is how shells and compose files say "not set".
  const given = Object.fromEntries(known.map((name) => [name, environment[name] || undefined]));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => {
    const name = String(path[0]);
    return `  ${name}: ${given[name] === undefined ? 'must be set' : message}`;
  });
  throw new Error(
    `The configuration is not valid. Mend these environment variables and start again:\n${problems.join('\n')}`,
  );
}

export const readEmbeddedConfig = (environment: Environment): EmbeddedConfig => read(embeddedEnvironment, environment);
/** Of the identity room alone, for what composes it. */
export type IdentitySettings = Pick<EmbeddedConfig, keyof typeof identitySettings>;

export const readServiceConfig = (environment: Environment): ServiceConfig => read(serviceEnvironment, environment);
export const readClusterConfig = (environment: Environment): ClusterConfig => read(clusterEnvironment, environment);

/** A default as it would be written in the environment. */
function shown(fallback: unknown): string {
  if (fallback === undefined) return '';
  return fallback === null ? 'off' : String(fallback);
}

function describeSettings(shape: Record<string, z.ZodType>): string {
  return Object.entries(shape)
    .map(([name, schema]) => {
      const fallback = schema.safeParse(undefined);
      const value = fallback.success ? shown(fallback.data) : '';
      return `# ${schema.description}\n${value === '' ? '# ' : ''}${name}=${value}\n`;
    })
    .join('\n');
}

/** The text of `.env.example`, so that it can never disagree with the schema. */
export function renderEnvironmentExample(): string {
  const { INKWELL_KEY_SECRET, INKWELL_PROBE_PORT } = serviceEnvironment.shape;
  return [
    '# Every setting with its default. Copy to .env and change what you need.\n',
    describeSettings(embeddedEnvironment.shape),
    '# The cluster edition alone\n',
    describeSettings({ ...serverSettings, ...clusterSettings, INKWELL_PROBE_PORT, INKWELL_KEY_SECRET }),
  ].join('\n');
}
