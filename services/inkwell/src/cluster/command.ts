/** `inkwell cluster …`: starts a cluster and stays with it, or speaks to one that runs. */
import { resolve } from 'node:path';
import { kafkaServers, readClusterConfig } from '@inkwell/contracts';
import type { Command } from '../args.ts';
import { migrate } from '../compose-migration.ts';
import { untilStopAsked } from '../until-stop-asked.ts';
import { startCluster } from './cluster.ts';
import { readClusterFile } from './cluster-file.ts';
import { jsonClusterOutput, renderStatus, textClusterOutput } from './cluster-output.ts';
import { sendControl } from './control.ts';

type ClusterCommand = Extract<Command, { name: `cluster${string}` }>;

const write = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Throws an Error for people. */
export async function runClusterCommand(command: ClusterCommand, environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readClusterConfig(environment);
  if (command.name === 'cluster migrate') {
    const { KAFKA_BROKERS, ...settings } = config;
    if (KAFKA_BROKERS === undefined) throw new Error('KAFKA_BROKERS must be set: where are the topics to be?');
    await migrate(kafkaServers({ ...settings, KAFKA_BROKERS }), config.INKWELL_NAMESPACE);
    return write(command.json ? '{"migrated":true}' : '  Kafka has all topics.');
  }
  if (command.name === 'cluster') return serveCluster(command, config, environment);
  const dataDir = resolve(config.INKWELL_DATA_DIR);
  const running = readClusterFile(dataDir);
  if (running === undefined) throw new Error(`No cluster runs in ${dataDir}. Start one: npm run cluster`);
  const ask = (name: string, body?: unknown) =>
    sendControl(running.control, name, body).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' && error.code !== 'ECONNREFUSED') throw error;
      throw new Error(`The cluster in ${dataDir} is gone: it was killed. Start it again: npm run cluster`);
    });
  const show = (answer: unknown, text: string) => write(command.json ? JSON.stringify(answer) : text);
  if (command.name === 'cluster status') {
    const status = await ask('status');
    show(status, renderStatus(status));
  } else if (command.name === 'cluster scale') {
    if (!command.json) write('  scaling; workers that go finish what they run …');
    const size = (await ask('scale', command.size)) as { gateways: number; workers: number };
    show(size, `  ${size.gateways} gateway(s), ${size.workers} worker(s)`);
  } else {
    show(
      await ask('drain', { worker: command.worker }),
      `  ${command.worker} finishes what it runs and takes nothing new.`,
    );
  }
}

async function serveCluster(
  { json, gateways, workers }: Extract<Command, { name: 'cluster' }>,
  config: ReturnType<typeof readClusterConfig>,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const startedAt = performance.now();
  const output = json ? jsonClusterOutput(write) : textClusterOutput(write);
  const stopAsked = untilStopAsked(() => output.stopping());
  const starting = startCluster({
    config,
    environment,
    size: { gateways, workers },
    onProgress: (text) => output.progress(text),
  });
  const cluster = await starting;
  try {
    output.ready({ cluster, workers, tookMs: performance.now() - startedAt, modelDir: config.INKWELL_MODEL_DIR });
    await stopAsked;
  } finally {
    await cluster.stop();
  }
}
