/**
 * Who records may die at any of their calls, before the database has it or before they hear that it was done. Whoever goes on is told the same
 * again, in another company: everything is there once, and nothing is missing.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { AuditRecord, JobEnded } from '@inkwell/contracts';
import { bucketMs, verifyAuditLog } from '@inkwell/ports';
import { auditRecord, endedJob } from '@inkwell/ports/conformance';
import { describe, expect, it } from 'vitest';
import { type MongoStore, openMongoStore } from './index.ts';
import { databases } from './testing/databases.ts';

type Death = 'before the database has it' | 'before it hears that it was done';

interface Lifeline {
  url: string;
  /** So many calls are answered from now on; the next one is the last. */
  cutAfter(calls: number, death: Death): void;
  /** Resolves when it has come to that. */
  cut: Promise<void>;
  close(): void;
}

/** Stands between a store and its database. A call is a message that names the database; the driver's own look at the server doesn't. */
async function lifeline(url: string, database: string): Promise<Lifeline> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const cut = Promise.withResolvers<void>();
  let [left, death, over] = [Number.POSITIVE_INFINITY, 'before the database has it' as Death, false];
  const end = () => {
    over = true;
    cut.resolve();
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (bytes) => {
      if (bytes.includes(database)) left--;
      if (left < 0 && death === 'before the database has it') end();
      else upstream.write(bytes);
    });
    upstream.on('data', (bytes) => (left < 0 ? end() : client.write(bytes)));
    if (over) end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `mongodb://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutAfter: (calls, how) => {
      [left, death] = [calls, how];
    },
    cut: cut.promise,
    close: () => {
      end();
      server.close();
    },
  };
}

const tell = ({ auditLog, jobHistory }: MongoStore, records: AuditRecord[], jobs: JobEnded[]) =>
  auditLog.append(records).then(() => jobHistory.record(jobs));

async function expectExactly(
  { auditLog, jobHistory, usageLedger }: MongoStore,
  records: AuditRecord[],
  jobs: JobEnded[],
) {
  const entries = await auditLog.read({}, { afterSeq: 0, limit: 1000 });
  const sorted = <Item>(ids: Item[]) => ids.sort();
  expect(sorted(entries.map(({ factId }) => factId))).toEqual(sorted(records.map(({ factId }) => factId)));
  expect(await verifyAuditLog(auditLog)).toMatchObject({ broken: null, head: { seq: records.length } });
  for (const job of jobs) expect(await jobHistory.get(job.key)).toEqual(job);
  const query = { size: 'hour', from: 0, before: bucketMs.hour, groupBy: [], limit: 9 } as const;
  expect(await usageLedger.sum(query)).toMatchObject([{ requests: jobs.length, promptTokens: 3 * jobs.length }]);
}

const database = databases();

/** Answers false when the writer was done before its end came. */
async function dieAt(calls: number, death: Death): Promise<boolean> {
  const options = database();
  const line = await lifeline(options.url, options.database);
  const dying = await openMongoStore({ ...options, url: line.url });
  const next = await openMongoStore(options);
  const records = Array.from({ length: 8 }, () => auditRecord('acme'));
  const jobs = records.map((_, index) =>
    endedJob(index % 2 === 0 ? 'acme' : 'beta', `job_${index}`, { finishedAt: index }),
  );
  try {
    // Both know that something is there.
    await tell(dying, records.slice(0, 2), jobs.slice(0, 2));
    line.cutAfter(calls, death);
    const died = await Promise.race([
      line.cut.then(() => true),
      tell(dying, records.slice(0, 6), jobs.slice(0, 6)).then(
        () => false,
        () => true,
      ),
    ]);
    if (died) await tell(next, records.slice(5), jobs.slice(5));
    await tell(next, records.slice(1).reverse(), jobs.slice(1).reverse());
    await tell(next, records, jobs);
    await expectExactly(next, records, jobs);
    return died;
  } finally {
    line.close();
    await Promise.all([dying.close(), next.close()]);
  }
}

describe('a recorder', () => {
  it.each<Death>(['before the database has it', 'before it hears that it was done'])(
    'may die at any of its calls %s',
    async (death) => {
      let calls = 0;
      while (await dieAt(calls, death)) calls++;
      // Looks and writes of both the log and the history.
      expect(calls).toBeGreaterThanOrEqual(6);
    },
  );
});
