/** The audit log is appended to without looking first: what somebody else appended meanwhile is found out by being refused. */
import { randomUUID } from 'node:crypto';
import { verifyAuditLog } from '@inkwell/ports';
import { auditRecord } from '@inkwell/ports/conformance';
import { expect, it } from 'vitest';
import { startMongo } from '../../../../infra/services/mongo.ts';
import { openMongoStore } from './index.ts';
import { dropDatabase } from './testing/drop-database.ts';

it('has every event once when two writers who had not heard of each other are told the same, in any place of a batch', async () => {
  const server = await startMongo();
  const options = { url: server.url, database: `test-${randomUUID()}`, deadlineMs: 20_000 };
  const [one, other] = await Promise.all([openMongoStore(options), openMongoStore(options)]);
  try {
    const record = () => auditRecord('acme');
    const told: string[] = [];
    const tell = async ({ auditLog }: typeof one, records: ReturnType<typeof record>[]) => {
      await auditLog.append(records);
      for (const { factId } of records) if (!told.includes(factId)) told.push(factId);
      const entries = await auditLog.read({}, { afterSeq: 0, limit: 1000 });
      expect(entries.map(({ factId }) => factId)).toEqual(told);
      expect(await verifyAuditLog(auditLog)).toMatchObject({ broken: null, head: { seq: told.length } });
    };
    // Both have seen that nobody else is there.
    await tell(one, [record()]);
    await tell(other, [record()]);
    for (let place = 0; place < 4; place++) {
      const shared = record();
      await tell(one, [shared]);
      await tell(
        other,
        Array.from({ length: 4 }, (_, at) => (at === place ? shared : record())),
      );
      await tell(one, [record(), shared]);
    }
  } finally {
    await Promise.all([one.close(), other.close()]);
    await dropDatabase(options);
    await server.stop();
  }
});
