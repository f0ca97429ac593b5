import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readClusterConfig, readEmbeddedConfig, readServiceConfig, renderEnvironmentExample } from './config.ts';
import { kafkaServers } from './kafka-settings.ts';

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

  it('reads secrets from files, one way or the other, and tells no path’s content', () => {
    const folder = mkdtempSync(join(tmpdir(), 'inkwell-config-'));
    const file = join(folder, 'secret');
    const secret = 'first-secret-of-this-test-0123456789';
    try {
      writeFileSync(file, `${secret}\n`);
      const from = (given: Record<string, string>) => readEmbeddedConfig(given).INKWELL_TOKEN_SECRET;
      expect(from({ INKWELL_TOKEN_SECRET_FILE: file })).toEqual([secret]);
      expect(from({ INKWELL_TOKEN_SECRET: `${secret}a, ${secret}` })).toEqual([`${secret}a`, secret]);
      expect(() => from({ INKWELL_TOKEN_SECRET_FILE: file, INKWELL_TOKEN_SECRET: secret })).toThrow(/not both/);
      expect(() => from({ INKWELL_TOKEN_SECRET_FILE: join(folder, 'absent') })).toThrow(
        /INKWELL_TOKEN_SECRET_FILE.*ENOENT/,
      );
      writeFileSync(file, 'a'.repeat(40));
      expect(() => from({ INKWELL_TOKEN_SECRET_FILE: file })).toThrow(/INKWELL_TOKEN_SECRET: is too easy to guess/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each(['-1', '1e3', 'NaN', ' 80', '0x50', '80.5'])('refuses PORT=%j', (value) => {
    expect(() => readEmbeddedConfig({ PORT: value })).toThrow(/PORT/);
  });

  it('says of a service which servers and secrets are missing, all at once', () => {
    const read = () => readServiceConfig({ REDIS_URL: 'localhost:6379', INKWELL_KEY_SECRET: 'short' });
    expect(read).toThrow(/KAFKA_BROKERS: must be set[\s\S]*REDIS_URL: must be a URL[\s\S]*MONGO_URL: must be set/);
    expect(read).toThrow(/INKWELL_KEY_SECRET: must have at least 32/);
    const servers = { KAFKA_BROKERS: 'a:9092, b:9093', REDIS_URL: 'redis://r:6379', MONGO_URL: 'mongodb://m' };
    const config = readServiceConfig({ ...servers, INKWELL_KEY_SECRET: 'k3y-secret-of-this-test-0123456789' });
    expect(config).toMatchObject({ ...servers, KAFKA_BROKERS: ['a:9092', 'b:9093'], INKWELL_NAMESPACE: 'inkwell' });
  });

  it('lets the cluster command start without any server named', () => {
    expect(readClusterConfig({}).KAFKA_BROKERS).toBeUndefined();
    expect(() => readClusterConfig({ KAFKA_BROKERS: 'nowhere' })).toThrow(/KAFKA_BROKERS/);
  });

  it('takes a whole credential of Kafka, and sends no password in the clear', () => {
    const of = (settings: Record<string, string>) => () =>
      kafkaServers(
        readServiceConfig({
          KAFKA_BROKERS: 'a:9092',
          REDIS_URL: 'redis://r:6379',
          MONGO_URL: 'mongodb://m',
          INKWELL_KEY_SECRET: 'k3y-secret-of-this-test-0123456789',
          ...settings,
        }),
      );
    const [KAFKA_USERNAME, KAFKA_PASSWORD] = ['inkwell', 'hush-hush'];
    expect(of({})()).toEqual({ brokers: ['a:9092'], tls: false });
    expect(of({ KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_TLS: 'on', KAFKA_SASL_MECHANISM: 'plain' })()).toEqual({
      brokers: ['a:9092'],
      tls: true,
      credentials: { mechanism: 'plain', username: 'inkwell', password: 'hush-hush' },
    });
    expect(of({ KAFKA_USERNAME })).toThrow(/KAFKA_PASSWORD: must be set/);
    expect(of({ KAFKA_PASSWORD })).toThrow(/KAFKA_USERNAME: must be set/);
    const clear = of({ KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_SASL_MECHANISM: 'plain' });
    expect(clear).toThrow(/KAFKA_SASL_MECHANISM: must be scram/);
    expect(clear).not.toThrow(/hush-hush/);
    expect(() => readClusterConfig({ KAFKA_TLS: 'on' })).toThrow(/KAFKA_BROKERS: must be set/);
  });

  it('keeps .env.example equal to the schema (npm run docs:generate rewrites it)', () => {
    expect(readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')).toBe(renderEnvironmentExample());
  });
});
