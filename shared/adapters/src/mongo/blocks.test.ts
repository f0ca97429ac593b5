/** Many entries and jobs share a document. Each is found as if it had one of its own, and what is done to a block behind our back is found. */
import { type AuditEntry, type AuditRecord, chainPiece, type JobEnded, terminalStates } from '@inkwell/contracts';
import { type AuditFilter, bucketMs, type HistoryFilter, verifyAuditLog } from '@inkwell/ports';
import { auditRecord, endedJob } from '@inkwell/ports/conformance';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../embedded/testing/seeded-random.ts';
import { connectMongo, type MongoConnection } from './connection.ts';
import { openMongoStore } from './index.ts';
import { databases } from './testing/databases.ts';

const seed = Number(process.env.INKWELL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 32));
console.log(`blocks in MongoDB: INKWELL_TEST_SEED=${seed}`);
const random = new SeededRandom(seed);
const database = databases();
const below = (count: number) => random.between(0, count - 1);
const oneOf = <Item>(items: readonly Item[]) => random.pick(items);
const someOf = <Fields extends object>(fields: Fields) =>
  Object.fromEntries(Object.entries(fields).filter(() => below(3) === 0)) as Partial<Fields>;

const tenants = ['acme', 'beta', 'gamma'] as const;
const actors = ['key_1', 'key_2', 'user_1'] as const;
const actions = ['job.created', 'key.created', 'auth.login'] as const;
const outcomes = ['allowed', 'refused'] as const;
/** Of which some hold one entry and some more than a block. */
const batches = [1, 3, 700, 1, 1201, 40, 2];

function anyRecord(): AuditRecord {
  const [actor, at] = [{ kind: 'key', id: oneOf(actors) } as const, below(1000)];
  const what = { action: oneOf(actions), outcome: oneOf(outcomes), keyId: oneOf([...actors, null]), at };
  return auditRecord(oneOf(tenants), { actor, ...what });
}

function anyFilter(): AuditFilter {
  const from = below(1000);
  const time = { from, before: from + below(500) };
  const who = { tenant: oneOf(tenants), actor: oneOf(actors), keyId: oneOf(actors) };
  return someOf({ ...who, action: oneOf(actions), outcome: oneOf(outcomes), ...time });
}

function matches({ actor, ...entry }: AuditEntry, { from = 0, before = 1e9, ...equal }: AuditFilter): boolean {
  const flat: Record<string, unknown> = { ...entry, actor: actor.id };
  return entry.at >= from && entry.at < before && Object.entries(equal).every(([name, value]) => flat[name] === value);
}

it('finds the same entries for any filter and page as going through all of them does', async () => {
  const { auditLog, close } = await openMongoStore(database());
  try {
    for (const size of batches) await auditLog.append(Array.from({ length: size }, anyRecord));
    const all: AuditEntry[] = [];
    for (let page: AuditEntry[] | undefined; page?.length !== 0; all.push(...page)) {
      page = await auditLog.read({}, { afterSeq: all.length, limit: 1000 });
    }
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: all.length }, (_, index) => index + 1));
    expect(all).toHaveLength(batches.reduce((sum, size) => sum + size));
    for (let round = 0; round < 60; round++) {
      const [filter, limit, seq] = [anyFilter(), 1 + below(300), below(all.length + 2)];
      const wanted = all.filter((entry) => matches(entry, filter));
      const after = wanted.filter((entry) => entry.seq > seq).slice(0, limit);
      expect(await auditLog.read(filter, { limit, afterSeq: seq })).toEqual(after);
      const before = wanted.filter((entry) => entry.seq < seq).reverse();
      expect(await auditLog.list(filter, { limit, beforeSeq: seq })).toEqual(before.slice(0, limit));
    }
  } finally {
    await close();
  }
});

it('lists the same jobs in the same order as one by one, and sums what they used', async () => {
  const { jobHistory, usageLedger, close } = await openMongoStore(database());
  try {
    const all: JobEnded[] = [];
    for (const size of batches) {
      const jobs = Array.from({ length: size }, (_, index) =>
        endedJob(oneOf(tenants), `job_${all.length + index}`, {
          finishedAt: below(40) * (bucketMs.hour / 8),
          state: oneOf(terminalStates),
          keyId: oneOf([...actors, null]),
          usage: { promptTokens: below(9), completionTokens: below(9) },
        }),
      );
      await jobHistory.record(jobs);
      all.push(...jobs);
    }
    all.sort((a, b) => b.finishedAt - a.finishedAt || (a.key < b.key ? 1 : -1));
    for (let round = 0; round < 40; round++) {
      const from = below(40) * (bucketMs.hour / 8);
      const filter: HistoryFilter = {
        tenant: oneOf(tenants),
        ...someOf({ states: [oneOf(terminalStates), oneOf(terminalStates)], from, before: from + bucketMs.hour }),
      };
      const wanted = all.filter(
        ({ tenant, state, finishedAt }) =>
          tenant === filter.tenant &&
          (filter.states?.includes(state) ?? true) &&
          finishedAt >= (filter.from ?? 0) &&
          finishedAt < (filter.before ?? Number.POSITIVE_INFINITY),
      );
      const limit = 1 + below(100);
      for (const at of [0, below(wanted.length + 1)]) {
        const page = { limit, ...(at > 0 && { after: wanted[at - 1]!.jobId }) };
        const answer = { jobs: wanted.slice(at, at + limit), hasMore: wanted.length > at + limit };
        expect(await jobHistory.list(filter, page)).toEqual(answer);
      }
    }
    const query = {
      size: 'hour',
      from: 0,
      before: 5 * bucketMs.hour,
      groupBy: ['tenant', 'key'],
      limit: 1e6,
    } as const;
    const sums = await usageLedger.sum(query);
    expect(sums).toHaveLength(5 * 3 * 4);
    for (const { start, tenant, key, requests, promptTokens, completionTokens } of sums) {
      const of = all.filter(
        (job) =>
          job.tenant === tenant &&
          job.keyId === key &&
          Math.floor(job.finishedAt / bucketMs.hour) * bucketMs.hour === start,
      );
      const total = (tokens: 'promptTokens' | 'completionTokens') =>
        of.reduce((sum, job) => sum + job.usage[tokens], 0);
      expect([requests, promptTokens, completionTokens]).toEqual([
        of.length,
        total('promptTokens'),
        total('completionTokens'),
      ]);
    }
  } finally {
    await close();
  }
});

/** Three blocks: entries 1 to 4, 5 to 8 and 9 to 12. */
const editText =
  (id: number, edit: (forms: unknown[][]) => unknown) =>
  async ({ audit }: MongoConnection) => {
    const block = await audit.findById(id).lean();
    await audit.updateOne(
      { _id: id },
      { $set: { text: Buffer.from(JSON.stringify(edit(JSON.parse(block!.text.toString('utf8'))))) } },
    );
  };
const tamperings: [string, (connection: MongoConnection) => Promise<unknown>, object | null][] = [
  ['nothing', async () => {}, null],
  [
    'an entry changed',
    editText(5, (forms) => forms.map((one) => (one[1] === 6 ? one.with(6, 'key_9') : one))),
    { seq: 6, problem: 'changed' },
  ],
  [
    'an entry removed from a block',
    editText(5, (forms) => forms.filter(([, seq]) => seq !== 6)),
    { seq: 6, problem: 'missing' },
  ],
  ['the last entry removed from a block', editText(5, (forms) => forms.slice(0, 3)), { seq: 8, problem: 'missing' }],
  [
    'two entries exchanged',
    editText(5, (forms) => [forms[0], forms[2], forms[1], forms[3]]),
    { seq: 6, problem: 'missing' },
  ],
  ['a text that is none', editText(5, () => 'nonsense'), { seq: 5, problem: 'missing' }],
  ['a block removed', ({ audit }) => audit.deleteOne({ _id: 5 }), { seq: 5, problem: 'missing' }],
  ['the last block removed', ({ audit }) => audit.deleteOne({ _id: 9 }), { seq: 9, problem: 'tail_missing' }],
  ['all removed', ({ audit }) => audit.deleteMany({}), { seq: 1, problem: 'tail_missing' }],
  [
    'a block forged whole',
    ({ audit }) => {
      const { text, last } = chainPiece({ seq: 4, hash: 'f'.repeat(64) }, Array.from({ length: 4 }, anyRecord));
      return audit.updateOne({ _id: 5 }, { $set: { text: Buffer.from(text), hash: last.hash } });
    },
    { seq: 5, problem: 'unlinked' },
  ],
];

describe('an audit log in blocks', () => {
  it.each(tamperings)('verified with %s', async (_, tamper, broken) => {
    const options = database();
    const [store, connection] = await Promise.all([openMongoStore(options), connectMongo(options)]);
    const { auditLog } = store;
    try {
      for (let block = 0; block < 3; block++) await auditLog.append(Array.from({ length: 4 }, anyRecord));
      await tamper(connection);
      expect((await verifyAuditLog(auditLog)).broken).toEqual(broken);
      await auditLog.append([anyRecord()]);
      // What comes after a cut doesn't fill it.
      expect((await verifyAuditLog(auditLog)).broken).toEqual(broken && { ...broken, problem: expect.any(String) });
    } finally {
      await Promise.all([store.close(), connection.close()]);
    }
  });
});
