/**
 * The policy in force, read from its file and read again when that changes. A file that cannot be used leaves the old rules in force; what is
 * wrong with it is told once. Only the first reading throws, since a server must not start with less policy than it was given.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type ContentPolicy, compilePolicy } from './compile-policy.ts';

const defaultPolicyFile = fileURLToPath(new URL('./default-policy.json', import.meta.url));

export function readDefaultPolicy(): ContentPolicy {
  return compilePolicy(readFileSync(defaultPolicyFile, 'utf8'));
}

/** Looked at by content: mounted files change by exchanging a link, and not every file system tells of changes. */
const lookEveryMs = 2_000;

export interface PolicySource {
  readonly current: ContentPolicy;
  /** Looks at the file now. */
  reload(): Promise<'changed' | 'same' | 'broken'>;
  close(): void;
}

export interface PolicyEvents {
  onChanged(policy: ContentPolicy): void;
  /** Told once per problem. */
  onBroken(error: Error): void;
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/**
 * @param file left out, the default policy
 * @throws Error that names the file and what is wrong with it
 */
export function openPolicy(file: string | undefined, { onChanged, onBroken }: PolicyEvents): PolicySource {
  const path = file ?? defaultPolicyFile;
  let text: string;
  let current: ContentPolicy;
  let lastProblem = '';
  try {
    text = readFileSync(path, 'utf8');
    current = compilePolicy(text);
  } catch (error) {
    throw new Error(`The content policy ${path} cannot be used: ${asError(error).message}`, { cause: error });
  }

  async function reload(): Promise<'changed' | 'same' | 'broken'> {
    try {
      const latest = await readFile(path, 'utf8');
      if (latest !== text) {
        current = compilePolicy(latest);
        text = latest;
        onChanged(current);
        return 'changed';
      }
      lastProblem = '';
      return 'same';
    } catch (thrown) {
      const error = asError(thrown);
      if (error.message !== lastProblem) onBroken(error);
      lastProblem = error.message;
      return 'broken';
    }
  }

  const timer = setInterval(() => void reload(), lookEveryMs);
  timer.unref();
  return {
    get current() {
      return current;
    },
    reload,
    close: () => clearInterval(timer),
  };
}
