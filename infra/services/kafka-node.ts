/** One Kafka process, broker and controller at once: its settings, its first formatting, its start. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CertificateFiles } from './certificate.ts';
import { mavenLibraries } from './maven-libraries.ts';
import { type Child, startChild } from './running-service.ts';

const run = promisify(execFile);
const home = fileURLToPath(new URL('./kafka-server/', import.meta.url));

/** @param instead what a person can do where they cannot be had, as a sentence */
export const kafkaLibraries = (instead: string): Promise<string> => mavenLibraries(join(home, 'pom.xml'), instead);

export interface KafkaGuard extends CertificateFiles {
  username: string;
  password: string;
}

/** One of several nodes that keep copies of each other's messages; alone it is the whole of it. */
export interface KafkaNode {
  directory: string;
  id: number;
  port: number;
  /** Where clients are told to connect (default: the port). */
  advertisedPort?: number;
  /** Of the listener for other brokers. */
  brokerPort: number;
  /** Of every node, in the order of their ids, which begin at 1. */
  controllerPorts: readonly number[];
  clusterId: string;
  ownGroup?: boolean;
  /** Clients are only let in over TLS and by password. */
  guard?: KafkaGuard;
}

export async function startKafkaNode(node: KafkaNode, libraries: string): Promise<Child> {
  const { directory, guard, clusterId, ownGroup } = node;
  const properties = join(directory, 'server.properties');
  const logging = `-Dlog4j2.configurationFile=${join(home, 'log4j2.properties')}`;
  const java = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', logging, '-cp', join(libraries, '*')];
  await writeFile(properties, render({ ...serverProperties(node), ...(guard && (await guardProperties(guard))) }), {
    mode: 0o600,
  });
  if (!existsSync(join(directory, 'logs', 'meta.properties'))) {
    const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties];
    const users = guard ? ['--add-scram', `SCRAM-SHA-512=[name=${guard.username},password=${guard.password}]`] : [];
    await run('java', ['-Xmx128m', ...java, ...format, ...users], { timeout: 60_000 });
  }
  return startChild({
    command: 'java',
    args: ['-Xmx256m', ...java, 'kafka.Kafka', properties],
    directory,
    ready: /Kafka Server started/,
    ownGroup,
    readyTimeoutMs: 90_000,
  });
}

/** 16 random bytes in base64url. One that begins with a dash would be read as an option. */
export function newClusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}

/** Small, quick to start, and quick to notice that a killed predecessor is gone. */
function serverProperties(node: KafkaNode): Record<string, string | number> {
  const { directory, id, port, brokerPort, controllerPorts, advertisedPort = port, guard } = node;
  const copies = Math.min(3, controllerPorts.length);
  const factors = ['default', 'offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic'];
  return {
    ...Object.fromEntries(factors.map((name) => [`${name}.replication.factor`, copies])),
    'transaction.state.log.min.isr': Math.min(2, copies),
    'share.coordinator.state.topic.min.isr': Math.min(2, copies),
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': controllerPorts.map((one, index) => `${index + 1}@127.0.0.1:${one}`).join(','),
    listeners: `CLIENT://127.0.0.1:${port},BROKER://127.0.0.1:${brokerPort},CONTROLLER://127.0.0.1:${controllerPorts[id - 1]}`,
    'advertised.listeners': `CLIENT://127.0.0.1:${advertisedPort},BROKER://127.0.0.1:${brokerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `CLIENT:${guard ? 'SASL_SSL' : 'PLAINTEXT'},BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': 'BROKER',
    'log.dirs': join(directory, 'logs'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 500,
    'group.coordinator.append.linger.ms': 0,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'num.replica.fetchers': 1,
    'log.cleaner.dedupe.buffer.size': 2_097_152,
    'log.segment.bytes': 67_108_864,
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 500,
    'controller.quorum.election.timeout.ms': 300,
    'controller.quorum.fetch.timeout.ms': 1000,
    // Otherwise an idle node writes to its own log of metadata twice a second.
    'metadata.max.idle.interval.ms': 5000,
  };
}

/** https://kafka.apache.org/documentation/#security_ssl, #security_sasl */
async function guardProperties(guard: KafkaGuard): Promise<Record<string, string>> {
  const { certificateFile, keyFile, username, password } = guard;
  const oneLine = async (file: string) => (await readFile(file, 'utf8')).trim().replaceAll('\n', '\\n');
  const module = (name: string, options = '') =>
    `org.apache.kafka.common.security.${name}LoginModule required ${options};`;
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': await oneLine(keyFile),
    'ssl.keystore.certificate.chain': await oneLine(certificateFile),
    'sasl.enabled.mechanisms': 'SCRAM-SHA-512,PLAIN',
    'listener.name.client.scram-sha-512.sasl.jaas.config': module('scram.Scram'),
    'listener.name.client.plain.sasl.jaas.config': module('plain.Plain', `user_${username}="${password}"`),
  };
}

function render(properties: Record<string, string | number>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
