/**
 * Kafka, Redis and a MongoDB-compatible server of the cluster's own, for those no URL was given for. They keep what they store in the data
 * directory and come back on the same port, so that a cluster finds everything again after a restart.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startOwnKafka } from '../../../../infra/services/kafka.ts';
import { startOwnMongo } from '../../../../infra/services/mongo.ts';
import { startOwnRedis } from '../../../../infra/services/redis.ts';
import { freePort, type RunningService } from '../../../../infra/services/running-service.ts';
import type { Started } from './keeper.ts';

export const serverRoles = ['kafka', 'redis', 'mongo'] as const;
export type ServerRole = (typeof serverRoles)[number];

const starters = { kafka: startOwnKafka, redis: startOwnRedis, mongo: startOwnMongo } as const;

/** Answers how to start the server, the first time and again. */
export async function ownServer(role: ServerRole, dataDir: string): Promise<() => Promise<Started>> {
  const directory = join(dataDir, 'servers', role);
  const port = await freePort();
  return async () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return toStarted(await starters[role]({ directory, port, ownGroup: true }));
  };
}

function toStarted({ url, pid, ended, stop }: RunningService): Started {
  if (pid === undefined || ended === undefined) throw new Error('a server of our own has no process');
  return { pid, ended, stop, about: { url } };
}
