/** What appends that go to Redis together promise: each is answered for itself, and all who follow hear of theirs. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { type JobEvent, type JobKey, jobKey } from '@inkwell/contracts';
import { delta, terminal } from '@inkwell/ports/conformance';
import { describe, expect, it } from 'vitest';
import { type Append, AppendLine } from './append-line.ts';
import type { RedisStore } from './index.ts';
import { ownRedis } from './testing/own-redis.ts';

const newKeys = (count: number) => Array.from({ length: count }, () => jobKey('tenant', `job_${randomUUID()}`));
const completed = terminal('completed');

async function collect(store: RedisStore, key: JobKey): Promise<JobEvent[]> {
  const seen: JobEvent[] = [];
  for await (const event of store.resultStream.follow(key, 0, new AbortController().signal)) seen.push(event);
  return seen;
}

describe('appends of one turn', () => {
  it('are few calls, however many stories they belong to', async () => {
    const { openStore, functionCalls } = await ownRedis();
    const store = await openStore();
    const keys = newKeys(500);
    await store.resultStream.append(keys[0]!, 0, 0, [delta('teaches the server')]);
    const before = await functionCalls();
    const answers = await Promise.all(
      keys.map((key, index) => store.resultStream.append(key, 0, index === 0 ? 1 : 0, [delta('a')])),
    );
    expect(new Set(answers)).toEqual(new Set(['ok']));
    expect((await functionCalls()) - before).toBe(4);
  });

  it('are each written or refused for themselves', async () => {
    const { redis, openStore } = await ownRedis();
    const store = await openStore();
    const [ended, behind, foreign, twice, good] = newKeys(5) as [JobKey, JobKey, JobKey, JobKey, JobKey];
    await store.resultStream.append(ended, 0, 0, [delta('a'), completed]);
    await store.resultStream.append(behind, 0, 0, [delta('a')]);
    await store.resultStream.append(foreign, 0, 0, [delta('a')]);
    const name = (await redis.keys(`*${foreign}*:events`))[0]!;
    await redis.set(name, 'no list');
    const { append } = store.resultStream;
    const answers = await Promise.allSettled([
      append(ended, 0, 2, [delta('more')]),
      append(behind, 0, 0, [delta('again')]),
      append(foreign, 0, 1, [delta('b')]),
      append(twice, 0, 0, [delta('a')]),
      append(twice, 0, 1, [delta('b'), delta('c')]),
      append(good, 7, 0, [delta('a fence nobody gave')]),
      append(good, 0, 0, []),
      append(good, 0, 0, [delta('a')]),
    ]);
    expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed'))).toEqual([
      'stale',
      'stale',
      'failed',
      'ok',
      'ok',
      'stale',
      'ok',
      'ok',
    ]);
    const length = async (key: JobKey) => (await store.resultStream.read(key, 0, 10)).length;
    expect(await Promise.all([ended, behind, twice, good].map(length))).toEqual([2, 1, 3, 1]);
  });

  it('leave nothing behind when their place is wrong', async () => {
    const { redis, openStore } = await ownRedis();
    const store = await openStore();
    const [empty, short, long] = newKeys(3) as [JobKey, JobKey, JobKey];
    await store.resultStream.append(short, 0, 0, [delta('a')]);
    await store.resultStream.append(long, 0, 0, [delta('a'), delta('b'), delta('c')]);
    const name = async (key: JobKey) => (await redis.keys(`*${key}*:events`))[0];
    const entriesOf = async (key: JobKey) => redis.lrange((await name(key))!, 0, -1);
    const before = await Promise.all([short, long].map(entriesOf));
    await redis.persist((await name(short))!);
    const heard: JobEvent[] = [];
    const reader = { tell: (events: readonly JobEvent[]) => void heard.push(...events), end: () => undefined };
    const subscription = store.resultStream.subscribe(short, 0, reader);
    while (heard.length === 0) await wait(5);
    const { append } = store.resultStream;
    const many = Array.from({ length: 2500 }, () => delta('x'));
    const answers = await Promise.all([
      append(empty, 0, 4, [delta('ahead of its place')]),
      append(short, 0, 3, many),
      append(short, 0, 2, [completed]),
      append(long, 0, 1, many),
      append(long, 0, 0, [delta('x'), delta('x'), completed]),
    ]);
    expect(new Set(answers)).toEqual(new Set(['stale']));
    expect(await name(empty)).toBeUndefined();
    expect(await Promise.all([short, long].map(entriesOf))).toEqual(before);
    expect(await redis.ttl((await name(short))!)).toBe(-1);
    expect(await Promise.all([append(short, 0, 1, many), append(long, 0, 3, [completed])])).toEqual(['ok', 'ok']);
    while (heard.at(-1)?.seq !== 2501) await wait(5);
    subscription.leave();
    expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: 2501 }, (_, index) => index + 1));
  });

  it('know themselves when they come again, also behind a newer fence or the end, and never another', async () => {
    const { redis, connect } = await ownRedis();
    const connection = await connect();
    const append = async (of: Partial<Append> & { entries: string[] }) =>
      new AppendLine(connection, 'feed:', 86_400_000).append({ ...own, terminal: false, ...of });
    const own = { job: 'mine:job', events: 'mine:events', fence: 0, afterSeq: 0 };
    const entry = (mark: string, text: string) => mark.padEnd(12, '_') + JSON.stringify({ text });
    const first = { entries: [entry('first', 'a'), entry('first', 'b')] };
    const end = { afterSeq: 2, terminal: true, entries: [entry('end', 'c')] };
    expect([await append(first), await append(first)]).toEqual(['ok', 'ok']);
    expect([await append(end), await append(end), await append(first)]).toEqual(['ok', 'ok', 'ok']);
    await redis.hset(own.job, 'fence', 1);
    expect([await append(first), await append(end)]).toEqual(['ok', 'ok']);
    expect([await append({ entries: [entry('rival', 'a')] }), await append({ entries: [] })]).toEqual([
      'stale',
      'stale',
    ]);
    expect(await redis.lrange(own.events, 0, -1)).toEqual([...first.entries, ...end.entries]);
  });

  it('reach the followers of each story in every process, whatever characters they hold', async () => {
    const { openStore } = await ownRedis();
    const store = await openStore();
    const stores = [store, await openStore(), await openStore()];
    const keys = newKeys(60);
    const text = 'a\nb\r\u2028\u2029\u0000 1 2 0 []';
    for (const key of keys) await store.resultStream.append(key, 0, 0, [delta('first')]);
    const following = stores.flatMap((one) => keys.map((key) => collect(one, key)));
    for (let seq = 1; seq < 10; seq++)
      await Promise.all(keys.map((key) => store.resultStream.append(key, 0, seq, [delta(text)])));
    await Promise.all(keys.map((key) => store.resultStream.append(key, 0, 10, [completed])));
    for (const seen of await Promise.all(following)) {
      expect(seen.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      expect(seen[5]).toMatchObject({ delta: text });
    }
  });

  it('strike off a process that is gone, and no other', async () => {
    const { redis, openStore } = await ownRedis();
    const store = await openStore();
    const leaving = await openStore();
    const staying = await openStore();
    const keys = newKeys(3);
    for (const key of keys) await store.resultStream.append(key, 0, 0, [delta('first')]);
    const lost = keys.map((key) => collect(leaving, key).catch(() => 'lost'));
    const following = keys.map((key) => collect(staying, key));
    const name = (await redis.keys(`*${keys[0]}*:events`))[0]!.replace(/events$/, 'job');
    const followers = async () => (await redis.hget(name, 'followers'))?.trim().split(' ') ?? [];
    while ((await followers()).length < 2) await wait(5);
    await leaving.close();
    await Promise.all(lost);
    await Promise.all(keys.map((key) => store.resultStream.append(key, 0, 1, [delta('second')])));
    expect(await followers()).toHaveLength(1);
    await Promise.all(keys.map((key) => store.resultStream.append(key, 0, 2, [completed])));
    for (const seen of await Promise.all(following)) expect(seen).toHaveLength(3);
  });
});
