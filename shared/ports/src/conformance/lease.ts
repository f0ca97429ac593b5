/** What every Lease promises: one holder at a time, and a fence that grows with every change of hands. */
import type { JobKey } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { newKey } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

const ttlMs = 400;

export function leaseConformance(makeAdapter: MakeAdapter<'lease'>): void {
  describe('Lease', () => {
    const adapter = withAdapter(makeAdapter);
    const lease = () => adapter().lease;
    const acquire = (key: JobKey, owner = 'a') => lease().acquire(key, owner, ttlMs);

    it('gives 50 parallel takers exactly one fence, the first', async () => {
      const key = newKey(newTenant());
      const answers = await atOnce(50, (index) => acquire(key, `owner-${index}`));
      expect(answers.filter((answer) => answer !== 'held')).toEqual([{ fence: 1 }]);
    });

    it('is held against everybody, its owner included, until it runs out', async () => {
      const key = newKey(newTenant());
      await acquire(key);
      expect([await acquire(key, 'a'), await acquire(key, 'b')]).toEqual(['held', 'held']);
      await adapter().advance(ttlMs + 1);
      expect(await acquire(key, 'b')).toEqual({ fence: 2 });
    });

    it('goes to exactly one of 50 takers when it has run out', async () => {
      const key = newKey(newTenant());
      await acquire(key);
      await adapter().advance(ttlMs + 1);
      const answers = await atOnce(50, (index) => acquire(key, `owner-${index}`));
      expect(answers.filter((answer) => answer !== 'held')).toEqual([{ fence: 2 }]);
    });

    it('counts fences for each job by itself', async () => {
      const tenant = newTenant();
      expect(await atOnce(5, () => acquire(newKey(tenant)))).toEqual(Array(5).fill({ fence: 1 }));
    });

    it('lives on when renewed in time', async () => {
      const key = newKey(newTenant());
      await acquire(key);
      for (let round = 0; round < 3; round++) {
        await adapter().advance(ttlMs / 2);
        expect(await lease().renew(key, 1, ttlMs)).toBe('ok');
      }
      expect(await acquire(key, 'b')).toBe('held');
    });

    it('may be renewed after it ran out as long as nobody took it', async () => {
      const key = newKey(newTenant());
      await acquire(key);
      await adapter().advance(ttlMs + 1);
      expect(await lease().renew(key, 1, ttlMs)).toBe('ok');
      expect(await acquire(key, 'b')).toBe('held');
    });

    it('is lost to a newer fence, and says so when renewed', async () => {
      const key = newKey(newTenant());
      await acquire(key);
      await adapter().advance(ttlMs + 1);
      await acquire(key, 'b');
      expect(await lease().renew(key, 1, ttlMs)).toBe('lost');
      expect(await lease().renew(key, 2, ttlMs)).toBe('ok');
    });

    it('cannot be renewed when it was never given', async () => {
      const key = newKey(newTenant());
      expect(await lease().renew(key, 1, ttlMs)).toBe('lost');
      await acquire(key);
      expect(await lease().renew(key, 2, ttlMs)).toBe('lost');
    });

    it('is free at once when released, its fence stays spent', async () => {
      const key = newKey(newTenant());
      await acquire(key);
      await lease().release(key, 1);
      expect(await acquire(key, 'b')).toEqual({ fence: 2 });
    });

    it('is not given up by a stale fence', async () => {
      const key = newKey(newTenant());
      await acquire(key);
      await lease().release(key, 1);
      await acquire(key, 'b');
      await lease().release(key, 1);
      expect(await acquire(key, 'c')).toBe('held');
    });

    it('can be seized from a living holder, who has lost it then', async () => {
      const key = newKey(newTenant());
      await acquire(key);
      expect(await lease().seize(key, 'canceller', ttlMs)).toEqual({ fence: 2 });
      expect(await lease().renew(key, 1, ttlMs)).toBe('lost');
      expect(await acquire(key, 'b')).toBe('held');
    });

    it('can be seized when nobody ever had it', async () => {
      expect(await lease().seize(newKey(newTenant()), 'canceller', ttlMs)).toEqual({ fence: 1 });
    });

    it('gives 50 parallel seizures 50 different fences', async () => {
      const key = newKey(newTenant());
      const answers = await atOnce(50, (index) => lease().seize(key, `owner-${index}`, ttlMs));
      const fences = answers.map(({ fence }) => fence).sort((left, right) => left - right);
      expect(fences).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    });

    it('shows as lapsed from when it runs out until somebody has it or gives it up', async () => {
      const tenant = newTenant();
      const [taken, renewed, released, seized] = [newKey(tenant), newKey(tenant), newKey(tenant), newKey(tenant)];
      const shown = async () => {
        const keys = new Set(await lease().lapsed(100_000));
        return [taken, renewed, released, seized].map((key) => keys.has(key));
      };
      for (const key of [taken, renewed, released]) await acquire(key);
      await lease().seize(seized, 'canceller', ttlMs);
      expect(await shown()).toEqual([false, false, false, false]);
      await lease().release(released, 1);
      await adapter().advance(ttlMs + 1);
      expect(await shown()).toEqual([true, true, false, true]);
      await lease().renew(renewed, 1, 60_000);
      await lease().acquire(taken, 'b', 60_000);
      await lease().release(seized, 1);
      expect(await shown()).toEqual([false, false, false, false]);
    });

    it('shows what lapsed first first, and no more than asked for', async () => {
      const keys = Array.from({ length: 5 }, () => newKey(newTenant()));
      for (const [index, key] of keys.entries()) await lease().acquire(key, 'a', ttlMs - 50 * (index + 1));
      await adapter().advance(ttlMs + 1);
      const lapsed = (await lease().lapsed(100_000)).filter((key) => keys.includes(key));
      expect(lapsed).toEqual([...keys].reverse());
      expect((await lease().lapsed(2)).length).toBe(2);
      for (const key of keys) await lease().release(key, 1);
    });

    it('behaves as one holder and a growing number, in any order of calls', async () => {
      const step = fc.record({ call: fc.constantFrom(...calls), fence: fc.integer({ min: 0, max: 6 }) });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
          const key = newKey(newTenant());
          const model = new LeaseModel();
          for (const { call, fence } of steps) {
            const answer =
              call === 'acquire' || call === 'seize'
                ? await lease()[call](key, 'a', 60_000)
                : await lease()[call](key, fence, 60_000);
            expect(answer, `${call} ${fence}`).toEqual(model[call](fence));
          }
        }),
        { numRuns: 30 },
      );
    });
  });
}

const calls = ['acquire', 'seize', 'renew', 'release'] as const;

/** What a lease must answer, in the plainest form. */
class LeaseModel {
  #newest = 0;
  #held = false;

  acquire(): { fence: number } | 'held' {
    return this.#held ? 'held' : this.seize();
  }

  seize(): { fence: number } {
    this.#newest += 1;
    this.#held = true;
    return { fence: this.#newest };
  }

  renew(fence: number): 'ok' | 'lost' {
    if (fence !== this.#newest || fence === 0) return 'lost';
    this.#held = true;
    return 'ok';
  }

  release(fence: number): void {
    if (fence === this.#newest) this.#held = false;
  }
}
