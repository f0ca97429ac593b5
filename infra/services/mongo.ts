/**
 * A server that speaks MongoDB's wire protocol, for tests and for a cluster without Docker: the one at `MONGO_URL`, or mongo-java-server over
 * an H2 file that keeps documents as BSON, started with Java and fetched by Maven. The latter knows no transactions, change streams, pipeline updates or TTL indexes and
 * does not promise to survive kill -9: nothing we write may need those, and durability is tested on a real MongoDB.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CertificateFiles } from './certificate.ts';
import { mavenLibraries } from './maven-libraries.ts';
import { freePort, type RunningService, startChild } from './running-service.ts';

const home = fileURLToPath(new URL('./mongo-java-server/', import.meta.url));

/** Share it: use database names nobody else uses. */
export async function startMongo(): Promise<RunningService> {
  const url = process.env.MONGO_URL;
  if (url === undefined || url === '') return startOwnMongo();
  return { url, stop: async () => {}, kill: () => Promise.reject(new Error('The server at MONGO_URL is not ours.')) };
}

export interface OwnMongoOptions {
  /** Default: a new one under the system's temporary directory, removed by `stop`. */
  directory?: string;
  /** Default: any free one. Give the same again to come back after an end. */
  port?: number;
  ownGroup?: boolean;
  /** Clients are only let in over TLS; this server knows no passwords. */
  guard?: CertificateFiles;
}

/** One that belongs to the caller alone, whatever `MONGO_URL` says: for tests that end it, and for a cluster without a MongoDB. */
export async function startOwnMongo(options: OwnMongoOptions = {}): Promise<RunningService> {
  const libraries = await mavenLibraries(join(home, 'pom.xml'), 'Or set MONGO_URL to a MongoDB that tests may use.');
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'inkwell-mongo-')));
  const port = options.port ?? (await freePort());
  const flags = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx256m', '-cp', join(libraries, '*')];
  const certificate = options.guard ? [options.guard.certificateFile, options.guard.keyFile] : [];
  const child = await startChild({
    command: 'java',
    args: [...flags, join(home, 'MongoMain.java'), `${port}`, join(directory, 'mongo.mv'), ...certificate],
    directory,
    ready: /^READY /m,
    readyTimeoutMs: 60_000,
    ownGroup: options.ownGroup,
  });
  return {
    url: `mongodb://127.0.0.1:${port}${options.guard ? '/?tls=true' : ''}`,
    pid: child.pid,
    ended: child.ended,
    async stop() {
      await child.end('SIGTERM');
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    },
    kill: () => child.end('SIGKILL'),
  };
}
