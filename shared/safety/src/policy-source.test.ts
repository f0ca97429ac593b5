import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPolicy } from './policy-source.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'inkwell-policy-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const policyText = (word: string) =>
  JSON.stringify({
    version: 1,
    prompt_rules: [
      { id: word, kind: 'sensitive', patterns: [word], examples: { caught: [word], passed: ['something else'] } },
    ],
    output_rules: [],
  });

it('takes up a changed file by itself, keeps the old rules while the file is broken, and says why once', async () => {
  const path = join(directory, 'policy.json');
  writeFileSync(path, policyText('alpha'));
  const problems: string[] = [];
  let changed = Promise.withResolvers<void>();
  const source = openPolicy(path, {
    onChanged: () => changed.resolve(),
    onBroken: (error) => problems.push(error.message),
  });
  try {
    expect(source.current.checkPrompt('alpha beta')?.id).toBe('alpha');
    expect(await source.reload()).toBe('same');
    writeFileSync(path, '{"version": 1,');
    expect([await source.reload(), await source.reload()]).toEqual(['broken', 'broken']);
    expect(problems).toEqual([expect.stringContaining('not JSON')]);
    expect(source.current.checkPrompt('alpha')?.id).toBe('alpha');
    rmSync(path);
    expect(await source.reload()).toBe('broken');
    expect(source.current.checkPrompt('alpha')?.id).toBe('alpha');
    changed = Promise.withResolvers();
    // As a mounted file changes: another one takes its place. Nobody asks for a reload.
    writeFileSync(`${path}.next`, policyText('beta'));
    renameSync(`${path}.next`, path);
    await changed.promise;
    expect(source.current.checkPrompt('alpha')).toBeNull();
    expect(source.current.checkPrompt('beta')?.id).toBe('beta');
  } finally {
    source.close();
  }
});

it('does not start without the file it was given, and names it', () => {
  const missing = join(directory, 'none.json');
  expect(() => openPolicy(missing, { onChanged: () => {}, onBroken: () => {} })).toThrow(/none\.json cannot be used/);
});
