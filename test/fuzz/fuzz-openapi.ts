/** Schemathesis against a running server, as one caller: every check, every phase, over the document that the server itself serves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { schemathesis } from '../../infra/services/schemathesis.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));

export interface FuzzCaller {
  key: string;
  /** Of the same role, for what only people may do. */
  username: string;
  password: string;
}

export interface FuzzOptions {
  url: string;
  caller: FuzzCaller;
  /** Ids of keys and people who must stay as they are. */
  protectedIds: readonly string[];
  seed: number;
  /** Cases per operation and phase, at most. */
  examples: number;
}

export interface FuzzResult {
  /** Whether every phase ran to its end and every check held. */
  clean: boolean;
  cases: number;
  /** What it has to say. */
  report: string;
}

export async function fuzzOpenApi(options: FuzzOptions): Promise<FuzzResult> {
  const { url, caller, seed, examples } = options;
  const { python, args } = await schemathesis();
  const wanted = [
    ...['--config-file', 'schemathesis.toml', 'run', `${url}/openapi.json`, '--checks', 'all', '--no-color'],
    ...['--seed', `${seed}`, '--max-examples', `${examples}`, '--generation-database', 'none'],
  ];
  const storage = await mkdtemp(join(tmpdir(), 'inkwell-fuzz-'));
  const child = spawn(python, [...args, ...wanted], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: '1',
      HYPOTHESIS_STORAGE_DIRECTORY: storage,
      FUZZ_URL: url,
      FUZZ_KEY: caller.key,
      FUZZ_USERNAME: caller.username,
      FUZZ_PASSWORD: caller.password,
      FUZZ_PROTECTED: options.protectedIds.join(),
    },
  });
  let report = '';
  const hear = (chunk: Buffer) => {
    report += `${chunk}`;
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const [code] = (await once(child, 'close')) as [number | null];
  await rm(storage, { recursive: true, force: true });
  return { clean: code === 0, cases: Number(/(\d+) generated/.exec(report)?.[1] ?? 0), report };
}
