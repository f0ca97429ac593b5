import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { jsonOutput, type ReadyInfo, textOutput } from './console-output.ts';

const info = (changes: Partial<ReadyInfo> = {}): ReadyInfo => ({
  url: 'http://127.0.0.1:1',
  model: 'm',
  backend: 'null',
  dataDir: '/d',
  apiKeyFile: '/d/api-key',
  newApiKey: 'ik_secret',
  tookMs: 1234,
  ...changes,
});

function lines(make: typeof jsonOutput, what: ReadyInfo): string[] {
  const written: string[] = [];
  make((line) => written.push(line)).ready(what);
  return written;
}

it('shows a new key to people and never to machines, who get the file it lies in', () => {
  expect(lines(textOutput, info()).join('\n')).toContain('ik_secret');
  const [line = ''] = lines(jsonOutput, info());
  expect(line).not.toContain('ik_secret');
  expect(JSON.parse(line)).toMatchObject({ event: 'ready', url: 'http://127.0.0.1:1', apiKeyFile: '/d/api-key' });
});

it('prints a curl line that survives a shell whatever the data directory is called', () => {
  const directory = mkdtempSync(join(tmpdir(), "it's a $(test) "));
  try {
    const apiKeyFile = join(directory, 'api-key');
    writeFileSync(apiKeyFile, 'ik_abc\n');
    const curl = lines(textOutput, info({ apiKeyFile })).find((line) => line.startsWith('curl')) ?? '';
    const echoed = execFileSync('sh', ['-c', curl.replace(/^curl/, 'printf "%s\\n"')], { encoding: 'utf8' }).split(
      '\n',
    );
    expect(echoed).toContain('Authorization: Bearer ik_abc');
    expect(JSON.parse(echoed.find((line) => line.startsWith('{')) ?? '')).toMatchObject({ model: 'm' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
