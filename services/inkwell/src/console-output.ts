/**
 * What the person who typed the command sees. Text for people by default, one JSON object per line with `--json`; logs go to stderr and never
 * mix with it. The API key is printed once, on the start that made it, and only to people: `--json` names the file it lies in.
 */

export interface ReadyInfo {
  url: string;
  model: string;
  /** Backend and why it was picked. */
  backend: string;
  dataDir: string;
  apiKeyFile: string | null;
  /** Set only on the start that made it. */
  newApiKey: string | null;
  tookMs: number;
}

export interface ConsoleOutput {
  progress(text: string): void;
  ready(info: ReadyInfo): void;
  stopping(): void;
}

const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A line that works when pasted: reads the key from where it is instead of showing it. */
export function curlLine(info: Pick<ReadyInfo, 'url' | 'model' | 'apiKeyFile'>): string {
  const key = info.apiKeyFile ? `$(cat ${shellQuote(info.apiKeyFile)})` : '$INKWELL_KEY';
  const body = JSON.stringify({ model: info.model, prompt: 'The old house stood', max_tokens: 60 });
  return `curl -s ${info.url}/v1/completions -H "Authorization: Bearer ${key}" -H 'Content-Type: application/json' -d ${shellQuote(body)}`;
}

export function jsonOutput(write: (line: string) => void): ConsoleOutput {
  const say = (message: Record<string, unknown>) => write(JSON.stringify(message));
  return {
    progress: (text) => say({ event: 'progress', text }),
    ready: ({ newApiKey: _, ...info }) => say({ event: 'ready', ...info, curl: curlLine(info) }),
    stopping: () => say({ event: 'stopping' }),
  };
}

export function textOutput(write: (line: string) => void): ConsoleOutput {
  return {
    progress: (text) => write(`  ${text}`),
    ready: (info) => {
      write('');
      write(`  Inkwell is ready at ${info.url}   (${(info.tookMs / 1000).toFixed(1)} s)`);
      write('');
      write(`  model     ${info.model}`);
      write(`  backend   ${info.backend}`);
      write(`  data      ${info.dataDir}`);
      if (info.newApiKey) write(`  API key   ${info.newApiKey}`);
      if (info.newApiKey)
        write(`            made just now and shown only this once; it also lies in ${info.apiKeyFile}`);
      else
        write(
          `  API key   ${info.apiKeyFile ? `in ${info.apiKeyFile}` : 'the one you have; the line below takes it from $INKWELL_KEY'}`,
        );
      write(`  API docs  ${info.url}/docs`);
      write('');
      write('  Try it:');
      write('');
      write(curlLine(info));
      write('');
      write('  Ctrl-C stops it; accepted jobs wait on disk and go on at the next start.');
    },
    stopping: () =>
      write('\n  Stopping: finishing what runs … (Ctrl-C again to stop at once; nothing is lost either way)'),
  };
}
