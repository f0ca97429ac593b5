/**
 * Another tenant's things do not exist. The matrix is made from the OpenAPI document that is served: every route with an id in it, every
 * method, by people and keys of other tenants. What they are answered equals what they are answered for an id that nobody has, and the owner
 * finds everything as it was. A new route fails here until it is said whose its ids are.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEdition } from '../support/edition.ts';
import { machine, type Party, type Person, person, signIn } from '../support/parties.ts';
import type { RequestInput } from '../support/product-process.ts';
import { type ServedOperation, servedOperations } from '../support/served-api.ts';

const inkwell = createEdition({
  env: {
    INKWELL_BACKEND: 'null',
    INKWELL_NULL_PACE_MS: '25',
    INKWELL_LIMIT_USER_PER_MINUTE: 'off',
    INKWELL_LIMIT_KEY_PER_MINUTE: 'off',
    INKWELL_LIMIT_READS_PER_MINUTE: 'off',
  },
});

/** In everything somebody says, so that it is recognised wherever it turns up. */
const wordsOf = (name: string) => `the-words-of-${name}`;
const canary = wordsOf('owner');
const model = 'inkwell-small';
const generationOf = (name: string) => ({
  model,
  prompt: wordsOf(name),
  max_tokens: 4,
  metadata: { note: wordsOf(name) },
});

let served: ServedOperation[];
let owner: Person;
let strangers: Party[];
beforeAll(async () => {
  await inkwell.start();
  served = await servedOperations(inkwell);
  owner = await person(inkwell, 'owner');
  strangers = [
    await person(inkwell, 'stranger'),
    await machine(inkwell, 'stranger-key'),
    await person(inkwell, 'foreign-operator', 'operator'),
    await machine(inkwell, 'foreign-operator-key', 'operator'),
  ];
});
afterAll(() => inkwell.dispose());

const as = ({ headers }: Party, path: string, init: RequestInput = {}) =>
  inkwell.request(path, { ...init, headers: { ...headers, ...init.headers } });

async function made(response: Response): Promise<{ id: string }> {
  expect(response.ok, await response.clone().text()).toBe(true);
  return (await response.json()) as { id: string };
}

/** How a tenant's things of one kind are made, and what its owner can say of one. */
interface Owned {
  /** @param open not ended yet, where that is a difference */
  make(party: Party, open: boolean): Promise<string>;
  look(party: Party, id: string): Promise<unknown>;
}

const jobs: Owned = {
  async make(party, open) {
    const generation = generationOf(party.name);
    const body = open ? { ...generation, max_tokens: 450, ignore_eos: true } : generation;
    const { id } = await made(await as(party, '/v1/jobs', { body }));
    while (!open && (await jobs.look(party, id)) !== 'completed') await as(party, `/v1/jobs/${id}?wait=30`);
    return id;
  },
  async look(party, id) {
    const { status } = (await (await as(party, `/v1/jobs/${id}`)).json()) as { status: string };
    // One that runs goes on running.
    return status === 'queued' ? 'in_progress' : status;
  },
};

const keys: Owned = {
  make: async (party) => (await made(await as(party, '/api/keys', { body: { name: wordsOf(party.name) } }))).id,
  look: async (party, id) => (await as(party, `/api/keys/${id}`)).json(),
};

const listed = async (party: Party) => {
  const response = await as(party, '/api/auth/sessions');
  // Keys have none: what they ask for then is nobody's.
  return response.ok ? ((await response.json()) as { data: { id: string }[] }).data : [{ id: 'ses_none' }];
};
const sessions: Owned = {
  async make(party) {
    const before = new Set((await listed(party)).map(({ id }) => id));
    if (!before.has('ses_none')) await signIn(inkwell, party.name);
    return (await listed(party)).find(({ id }) => !before.has(id))?.id ?? `ses_${'0'.repeat(24)}`;
  },
  look: async (party, id) => (await listed(party)).find((one) => one.id === id),
};

const people: Owned = {
  make: async (party) => ('id' in party ? String(party.id) : `user_${'0'.repeat(24)}`),
  look: async (_, id) => (await inkwell.request(`/api/admin/users/${id}`)).json(),
};

/** Whose the ids of a route are: a tenant's, or nobody's in particular, and then why. */
const families: Readonly<Record<string, Owned | string>> = {
  '/v1/jobs/{id}': jobs,
  '/api/keys/{id}': keys,
  '/api/auth/sessions/{id}': sessions,
  '/api/admin/users/{id}': people,
  '/api/admin/workers/{id}': 'workers are the installation’s; only operators see them',
  '/api/admin/dead-letters/{id}': 'only operators see them, of all tenants and without what a tenant wrote',
  '/v1/models/{id}': 'models are the installation’s; a key may be confined to some',
  '/docs/{file}': 'files of the reference page, the same for everybody',
};

/** Bodies that the owner could send. */
const bodies: Readonly<Record<string, unknown>> = {
  putJob: generationOf('a stranger'),
  updateKey: { name: 'taken over' },
  rotateKey: { overlap_seconds: 0 },
  updateUser: { disabled: true },
};

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const changing: Readonly<Record<string, string>> = { putJob: 'makes a job of the caller’s own under that id' };

/** An id of the same form that nobody has. */
const unknownLike = (id: string) => id.replaceAll(/\d/g, (digit) => String(9 - Number(digit)));
const varying = /^(date|x-request-id|x-process-time|keep-alive|connection)$/;

/** All of an answer that could tell one id from another. */
async function seen(response: Response, id: string) {
  const headers = [...response.headers].filter(([name]) => !varying.test(name)).sort();
  const text = (await response.text()).replaceAll(id, '<id>');
  return { status: response.status, headers, text };
}

/** The same request plain, and with each parameter it heeds. */
function variantsOf({ query, headers }: Pick<ServedOperation, 'query' | 'headers'>) {
  const asked = query.map((name) => ({ search: `?${encodeURIComponent(name)}=1`, headers: {} }));
  const sent = headers.map((name) => ({ search: '', headers: { [name]: '1' } }));
  return [{ search: '', headers: {} }, ...asked, ...sent];
}

/** With an id in the path. */
const withIds = () => served.filter((one): one is ServedOperation & { family: string } => one.family !== null);

it('knows of every route with an id whose the ids are, and what to send there', () => {
  expect(withIds().length).toBeGreaterThan(10);
  const unknown = withIds().filter(({ family }) => families[family] === undefined);
  expect(unknown, 'say in `families` whose these ids are').toEqual([]);
  const speechless = withIds().filter(({ id, hasBody }) => hasBody && !(id in bodies));
  expect(speechless, 'say in `bodies` what an owner sends there').toEqual([]);
  const gone = Object.keys(families).filter((family) => !withIds().some((one) => one.family === family));
  expect(gone, 'not served any more').toEqual([]);
});

describe('an id of another tenant', () => {
  const owned = () =>
    withIds().flatMap((operation) => {
      const family = families[operation.family];
      return family === undefined || typeof family === 'string' ? [] : [{ operation, family }];
    });

  /** Asks for the owner's in every way the operation heeds. */
  async function compare(operation: ServedOperation, stranger: Party, id: string, expected: number): Promise<number> {
    const label = `${stranger.name}: ${operation.id}`;
    const { method } = operation;
    const makes = operation.id in changing;
    const variants = variantsOf(operation);
    for (const { search, headers } of variants) {
      const ask = async (one: string) => {
        const path = operation.path.replace(/\{\w+\}/, one) + search;
        return seen(await as(stranger, path, { method, body: bodies[operation.id], headers }), one);
      };
      const [theirs, nobodys] = [await ask(id), await ask(unknownLike(id))];
      expect(theirs.text, label).not.toContain(canary);
      if (makes) expect(theirs.status, label).toBe(nobodys.status);
      else expect(theirs, label).toEqual(nobodys);
      const isPlain = search === '' && Object.keys(headers).length === 0;
      if (isPlain) expect(theirs.status, label).toBe(makes ? 202 : expected);
    }
    return variants.length;
  }

  it('is answered like one that nobody has, on every route, and nothing happens to it', {
    timeout: 240_000,
  }, async () => {
    let compared = 0;
    for (const { operation, family } of owned()) {
      const open = operation.method !== 'GET';
      for (const stranger of strangers) {
        const mine = operation.path.replace(/\{\w+\}/, await family.make(stranger, false));
        // What is refused for one's own, for want of a role, is refused for any.
        const own = await as(stranger, mine, { method: operation.method, body: bodies[operation.id] });
        await own.text();
        const id = await family.make(owner, open);
        const before = await family.look(owner, id);
        compared += await compare(operation, stranger, id, own.status === 403 ? 403 : 404);
        expect(await family.look(owner, id), `${stranger.name}: ${operation.id}`).toEqual(before);
        if (family === jobs && open) await as(owner, `/v1/jobs/${id}/cancel`, { method: 'POST' });
      }
    }
    console.log(`${compared} answers compared`);
    expect(compared).toBeGreaterThan(50);
  });

  it('is refused to nobody for a reason that would have let them in: strangers may use all but what needs a role', async () => {
    const refused: string[] = [];
    for (const { operation, family } of owned()) {
      for (const stranger of strangers) {
        const mine = await family.make(stranger, operation.method !== 'GET');
        const path = operation.path.replace(/\{\w+\}/, mine);
        const answer = await as(stranger, path, { method: operation.method, body: bodies[operation.id] });
        await answer.text();
        if (!answer.ok) refused.push(`${answer.status} ${operation.id}: ${stranger.name}`);
      }
    }
    const ofPeople = ['stranger-key', 'foreign-operator-key'].map((name) => `403 revokeSession: ${name}`);
    const ofSuperusers = ['getUser', 'updateUser'].flatMap((id) => strangers.map(({ name }) => `403 ${id}: ${name}`));
    // Another request under the id of a job of one's own.
    const conflicts = strangers.map(({ name }) => `409 putJob: ${name}`);
    expect(refused.sort()).toEqual([...ofPeople, ...ofSuperusers, ...conflicts].sort());
  });

  it('does not answer methods that its route does not have', async () => {
    for (const [path, family] of Object.entries(families)) {
      if (typeof family === 'string') continue;
      const id = await family.make(owner, true);
      const before = await family.look(owner, id);
      const all = served.filter((one) => one.family === path);
      for (const where of new Set(all.map((one) => one.path))) {
        const known = new Set(all.filter((one) => one.path === where).map(({ method }) => method));
        if (known.has('GET')) known.add('HEAD');
        for (const method of methods.filter((one) => !known.has(one))) {
          for (const stranger of strangers) {
            const at = (one: string) => as(stranger, where.replace(/\{\w+\}/, one), { method });
            const theirs = await seen(await at(id), id);
            expect(theirs, `${method} ${where}`).toEqual(await seen(await at(unknownLike(id)), unknownLike(id)));
            expect([405, 204], `${method} ${where}`).toContain(theirs.status);
          }
        }
      }
      expect(await family.look(owner, id)).toEqual(before);
      if (family === jobs) await as(owner, `/v1/jobs/${id}/cancel`, { method: 'POST' });
    }
  });

  it('in a query tells nothing, and no list of a stranger holds anything of the owner’s', async () => {
    const ids = [owner.tenant];
    for (const family of [jobs, keys, sessions]) ids.push(await family.make(owner, false));
    const reads = served.filter(({ method, family, hasBody }) => method === 'GET' && family === null && !hasBody);
    expect(reads.length).toBeGreaterThan(10);
    // Operators may look at every tenant; the others are strangers in everything.
    for (const stranger of strangers.filter(({ name }) => !name.includes('operator'))) {
      for (const { path, query } of reads) {
        const whole = await (await as(stranger, path)).text();
        for (const secret of [canary, ...ids]) expect(whole, `${stranger.name}: ${path}`).not.toContain(secret);
        for (const name of query) {
          for (const id of ids) {
            const ask = async (one: string) =>
              seen(await as(stranger, `${path}?${encodeURIComponent(name)}=${one}`), one);
            const theirs = await ask(id);
            expect(theirs.text, `${path}?${name}`).not.toContain(canary);
            expect(theirs, `${path}?${name}`).toEqual(await ask(unknownLike(id)));
          }
        }
      }
    }
  });

  it('is not reached by what cancels many', async () => {
    const id = await jobs.make(owner, true);
    for (const stranger of strangers) {
      const body = { metadata: { note: canary }, state: ['queued', 'in_progress'] };
      const answer = await as(stranger, '/v1/jobs/cancel', { body });
      expect((await answer.json()) as object, stranger.name).toMatchObject({ cancelled: [] });
    }
    expect(await jobs.look(owner, id)).toBe('in_progress');
    await as(owner, `/v1/jobs/${id}/cancel`, { method: 'POST' });
  });
});

describe('what another tenant did', () => {
  const jobOf = (response: Response, text: string): string =>
    response.headers.get('x-inkwell-job-id') ?? (JSON.parse(text) as { id: string }).id;
  /** The same for everybody, and another for each operation, since those of one tenant share their answers. */
  const requestOf = ({ id }: ServedOperation) => ({
    model,
    prompt: `Say ${id}`,
    max_tokens: 4,
    seed: 7,
    temperature: 0,
  });
  const heeding = (header: string) => served.filter(({ headers }) => headers.includes(header));
  async function send(party: Party, operation: ServedOperation, headers: Record<string, string>, more: object = {}) {
    const body = { ...requestOf(operation), ...more };
    const response = await as(party, operation.path, { method: operation.method, body, headers });
    const text = await response.text();
    expect(response.ok, `${party.name}: ${operation.id}: ${text}`).toBe(true);
    return { response, text, job: jobOf(response, text) };
  }

  it('under an Idempotency-Key is neither replayed, nor in the way, for anybody else', async () => {
    const operations = heeding('Idempotency-Key');
    expect(operations.length).toBeGreaterThan(2);
    for (const operation of operations) {
      const key = { 'idempotency-key': `shared-${operation.id}` };
      const first = await send(owner, operation, key);
      for (const stranger of strangers) {
        // Another request under a key of one's own would be refused.
        const theirs = await send(stranger, operation, key, { max_tokens: 5 });
        expect(theirs.response.headers.get('idempotent-replayed'), operation.id).toBeNull();
        expect(theirs.job).not.toBe(first.job);
      }
      const again = await send(owner, operation, key);
      expect([again.job, again.response.headers.get('idempotent-replayed')]).toEqual([first.job, 'true']);
    }
  });

  it('under an Idempotency-Key as a stream is not joined by anybody else', async () => {
    const operation = served.find(({ id }) => id === 'createCompletion')!;
    const key = { 'idempotency-key': 'shared-stream' };
    const first = await send(owner, operation, key, { stream: true });
    for (const stranger of strangers)
      expect((await send(stranger, operation, key, { stream: true })).job).not.toBe(first.job);
    expect((await send(owner, operation, key, { stream: true })).job).toBe(first.job);
  });

  it('is no hit in the cache of anybody else', async () => {
    const operations = heeding('X-Inkwell-Cache');
    expect(operations.length).toBeGreaterThan(2);
    const use = { 'x-inkwell-cache': 'use' };
    for (const operation of operations) {
      const own = new Set<string>();
      let hit = false;
      // Each gateway keeps its own answers.
      for (let round = 0; round < 6; round++) {
        const { response, job } = await send(owner, operation, use);
        own.add(job);
        hit ||= response.headers.get('x-inkwell-cache') === 'hit';
      }
      expect(hit, operation.id).toBe(true);
      for (const stranger of strangers) {
        const answers = [await send(stranger, operation, use), await send(stranger, operation, use)];
        expect(answers[0]!.response.headers.get('x-inkwell-cache')).toBe('miss');
        for (const { job } of answers) expect(own.has(job)).toBe(false);
      }
    }
  });
});
