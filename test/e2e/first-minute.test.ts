/**
 * What a newcomer meets: one command prints an address, a key and a curl line, and the line works when pasted. Then the two promises a
 * client first leans on: greedy text never changes, and a seed pins the text whatever else the server is doing.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEdition } from '../support/edition.ts';

describe('a first start', () => {
  const inkwell = createEdition({ makeKey: true });
  beforeAll(async () => {
    await inkwell.start();
  });
  afterAll(() => inkwell.dispose());

  const curl = () => inkwell.ready?.curl ?? '';

  it('prints a curl line that answers text when pasted into a shell', () => {
    const answer = JSON.parse(
      execFileSync('sh', ['-c', curl()], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    expect(answer.object).toBe('text_completion');
    expect(answer.choices[0].text.length).toBeGreaterThan(10);
  });

  it('keeps the made key in a file only its owner reads, and nothing secret in its log', () => {
    const file = inkwell.ready?.apiKeyFile ?? '';
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const key = readFileSync(file, 'utf8').trim();
    expect(key).toMatch(/^ik_[0-9A-Za-z]{36,}$/);
    const secret = readFileSync(`${inkwell.dataDir}/secret`, 'utf8').trim();
    expect(inkwell.output).not.toContain(secret);
    const log = inkwell.output.split('\n').filter((line) => line.includes('"level"'));
    expect(log.join('\n')).not.toContain(key);
  });

  it('takes the same key after a restart', async () => {
    expect(await inkwell.stop()).toBe(0);
    await inkwell.start();
    const answer = JSON.parse(
      execFileSync('sh', ['-c', curl()], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    expect(answer.choices).toHaveLength(1);
  });

  it('refuses a second server on the same data directory and says why', async () => {
    const second = createEdition({ env: { INKWELL_DATA_DIR: inkwell.dataDir }, makeKey: true });
    await expect(second.start()).rejects.toThrow(/in use|already|another/i);
    await second.dispose();
  });
});

describe('the same request', () => {
  const inkwell = createEdition();
  beforeAll(async () => {
    await inkwell.start();
  });
  afterAll(() => inkwell.dispose());

  const complete = async (body: Record<string, unknown>): Promise<string> => {
    const response = await inkwell.request('/v1/completions', {
      body: { model: 'inkwell-small', max_tokens: 40, ...body },
    });
    const answer = (await response.json()) as { choices: { text: string }[] };
    expect(response.status, JSON.stringify(answer)).toBe(200);
    return answer.choices[0]?.text ?? '';
  };

  it('at temperature 0 is byte-equal twice', async () => {
    const body = { prompt: 'The captain looked at the sea and', temperature: 0 };
    expect(await complete(body)).toBe(await complete(body));
  });

  it('at temperature 1 with a seed is byte-equal alone and beside 15 others', async () => {
    const body = { prompt: 'There was a time when', temperature: 1, seed: 7 };
    const alone = await complete(body);
    const others = Array.from({ length: 15 }, (_, i) =>
      complete({ prompt: `${'Another tale begins here. '.repeat(1 + (i % 5))}`, temperature: 1, seed: i }),
    );
    const beside = await complete(body);
    const texts = await Promise.all(others);
    expect(beside).toBe(alone);
    expect(await complete({ ...body, seed: 8 })).not.toBe(alone);
    expect(new Set(texts).size).toBeGreaterThan(10);
  });
});
