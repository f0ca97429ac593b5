/** What every WorkerRegistry promises: who beats lives, who stops is forgotten, what was asked is heard at the next beat, and all agree on one numerics. */
import { describe, expect, it } from 'vitest';
import type { WorkerReport } from '../worker-registry.ts';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

const ttlMs = 400;

const report = (id: string, over: Partial<WorkerReport> = {}): WorkerReport => ({
  id,
  host: 'host',
  pid: 1,
  startedAt: 1.5,
  model: 'm"ü',
  engine: null,
  ready: true,
  draining: false,
  queuedJobs: 3,
  runningJobs: 2,
  tokensPerSecond: 10.25,
  jobsPerSecond: 0,
  ...over,
});

export function workerRegistryConformance(makeAdapter: MakeAdapter<'workerRegistry'>): void {
  describe('WorkerRegistry', () => {
    const adapter = withAdapter(makeAdapter);
    const registry = () => adapter().workerRegistry;
    const newWorker = () => newTenant().replace('tenant', 'worker');
    const shown = async (id: string) => (await registry().list()).find((one) => one.id === id);

    it('shows a worker as it last said it was', async () => {
      const id = newWorker();
      expect(await registry().heartbeat(report(id), ttlMs)).toBe('run');
      await registry().heartbeat(report(id, { engine: 'wasm', runningJobs: 7 }), ttlMs);
      expect(await shown(id)).toEqual({
        ...report(id, { engine: 'wasm', runningJobs: 7 }),
        wish: 'run',
        seenAt: expect.any(Number),
      });
    });

    it('lists many workers by id', async () => {
      const ids = await atOnce(20, async () => {
        const id = newWorker();
        await registry().heartbeat(report(id), 60_000);
        return id;
      });
      const listed = (await registry().list()).map(({ id }) => id);
      expect(listed.filter((id) => ids.includes(id))).toEqual([...ids].sort());
      await Promise.all(ids.map((id) => registry().leave(id)));
    });

    it('forgets who stops beating, and takes it in again when it comes back', async () => {
      const id = newWorker();
      await registry().heartbeat(report(id), ttlMs);
      await adapter().advance(ttlMs / 2);
      await registry().heartbeat(report(id), ttlMs);
      await adapter().advance(ttlMs / 2);
      expect(await shown(id)).toBeDefined();
      await adapter().advance(ttlMs);
      expect(await shown(id)).toBeUndefined();
      expect(await registry().ask(id, 'drain')).toBe(false);
      expect(await registry().heartbeat(report(id), ttlMs)).toBe('run');
      expect(await shown(id)).toBeDefined();
    });

    it('forgets at once who leaves', async () => {
      const id = newWorker();
      await registry().heartbeat(report(id), 60_000);
      await registry().leave(id);
      await registry().leave(id);
      expect(await shown(id)).toBeUndefined();
    });

    it('tells a worker what is asked of it until something else is', async () => {
      const [id, other] = [newWorker(), newWorker()];
      await registry().heartbeat(report(id), 60_000);
      await registry().heartbeat(report(other), 60_000);
      expect(await registry().ask(id, 'drain')).toBe(true);
      expect(await shown(id)).toMatchObject({ wish: 'drain' });
      for (let beat = 0; beat < 2; beat++) expect(await registry().heartbeat(report(id), 60_000)).toBe('drain');
      expect(await registry().heartbeat(report(other), 60_000)).toBe('run');
      await registry().ask(id, 'run');
      expect(await registry().heartbeat(report(id), 60_000)).toBe('run');
      await Promise.all([id, other].map((one) => registry().leave(one)));
    });

    it('answers the numerics that hold, until nobody confirms them and nothing depends on them', async () => {
      const [ours, theirs] = [
        { weights: 'int8', model: newWorker() },
        { weights: 'int4', model: newWorker() },
      ];
      const agree = registry().agree;
      expect(await agree(ours, 60_000, true)).toEqual(ours);
      expect(await agree({ model: ours.model, weights: 'int8' }, 60_000, false)).toEqual(ours);
      expect(await agree(theirs, 60_000, true)).toEqual(ours);
      await agree(ours, 1, false);
      await adapter().advance(5);
      expect(await agree(theirs, 60_000, false)).toEqual(ours);
      expect(await agree(theirs, 60_000, true)).toEqual(theirs);
      expect(await agree(ours, 60_000, true)).toEqual(theirs);
      await agree(theirs, 1, false);
      await adapter().advance(5);
    });

    it('lets one of many that propose at once win', async () => {
      const proposals = Array.from({ length: 10 }, () => ({ model: newWorker() }));
      const answers = await Promise.all(proposals.map((one) => registry().agree(one, 60_000, true)));
      expect(new Set(answers.map(({ model }) => model)).size).toBe(1);
      expect(proposals).toContainEqual(answers[0]);
    });

    it('knows nobody it was never told of', async () => {
      expect(await registry().ask(newWorker(), 'drain')).toBe(false);
    });
  });
}
