/**
 * The environment that configures the embedded edition, as one schema: types, validation, defaults and `.env.example` all come from it. A
 * value that isn't valid stops the start with the variable's name and what it may be; secrets are never repeated in that message.
 */
import { z } from 'zod';

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

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
    .enum(['auto', 'wasm', 'null'])
    .default('auto')
    .describe(
      'What computes: wasm, or null (no model: fixed tokens, to measure everything else). auto picks the best that works.',
    ),
  INKWELL_THREADS: wholeNumber(0, 64)
    .default(0)
    .describe('Threads of the wasm backend; 0 = one per core, at most four.'),
  INKWELL_NULL_PACE_MS: wholeNumber(0, 60_000).default(0).describe('Milliseconds a step of the null backend takes.'),
  INKWELL_MAX_QUEUED: wholeNumber(1, 10_000_000).default(20_000).describe('Most jobs waiting; beyond it 503.'),
  INKWELL_MAX_QUEUED_PER_TENANT: wholeNumber(1, 10_000_000)
    .default(10_000)
    .describe('Most jobs waiting of one tenant; beyond it 429.'),
  INKWELL_RETENTION_HOURS: wholeNumber(24, 87_600)
    .default(168)
    .describe('How long finished jobs and their events are kept, at least 24.'),
  INKWELL_LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('warn')
    .describe('Least severe log line written (JSON, on stderr).'),
});

export type EmbeddedConfig = z.infer<typeof embeddedEnvironment>;

/** Reads the configuration; throws an Error that names every wrong variable, one per line, without its value. */
export function readEmbeddedConfig(environment: Readonly<Record<string, string | undefined>>): EmbeddedConfig {
  const known = Object.keys(embeddedEnvironment.shape);
  // An empty variable is how shells and compose files say "not set".
  const given = Object.fromEntries(known.map((name) => [name, environment[name] || undefined]));
  const parsed = embeddedEnvironment.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(
    `The configuration is not valid. Mend these environment variables and start again:\n${problems.join('\n')}`,
  );
}

/** The text of `.env.example`, so that it can never disagree with the schema. */
export function renderEnvironmentExample(): string {
  const entries = Object.entries(embeddedEnvironment.shape).map(([name, schema]) => {
    const fallback = schema.safeParse(undefined);
    const value = fallback.success && fallback.data !== undefined ? String(fallback.data) : '';
    return `# ${schema.description}\n${value === '' ? '# ' : ''}${name}=${value}\n`;
  });
  return `# Every setting of the embedded edition with its default. Copy to .env and change what you need.\n\n${entries.join('\n')}`;
}
