import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readEmbeddedConfig, renderEnvironmentExample } from './config.ts';

describe('configuration', () => {
  it('starts from an empty environment with the documented defaults', () => {
    expect(readEmbeddedConfig({})).toMatchObject({
      PORT: 8080,
      INKWELL_DATA_DIR: './.inkwell',
      INKWELL_BACKEND: 'auto',
    });
    expect(readEmbeddedConfig({ PORT: '' }).PORT).toBe(8080);
  });

  it('names every wrong variable at once and repeats no secret', () => {
    const secret = 'too-short-secret';
    const read = () => readEmbeddedConfig({ PORT: '99999', INKWELL_BACKEND: 'cuda', INKWELL_BOOTSTRAP_KEY: secret });
    expect(read).toThrow(/PORT[\s\S]*INKWELL_BOOTSTRAP_KEY[\s\S]*INKWELL_BACKEND/);
    expect(read).not.toThrow(new RegExp(secret));
  });

  it.each(['-1', '1e3', 'NaN', ' 80', '0x50', '80.5'])('refuses PORT=%j', (value) => {
    expect(() => readEmbeddedConfig({ PORT: value })).toThrow(/PORT/);
  });

  it('keeps .env.example equal to the schema (npm run docs:generate rewrites it)', () => {
    expect(readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')).toBe(renderEnvironmentExample());
  });
});
