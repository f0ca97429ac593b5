/** What every IdempotencyStore promises: one request does the work, every other gets its answer or its place. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { IdempotencyClaim, StoredResponse } from '../idempotency-store.ts';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

const response: StoredResponse = { status: 202, headers: { location: '/v1/jobs/1' }, body: '{"id":"1 💡 é"}' };

function newClaim(changes: Partial<IdempotencyClaim> = {}): IdempotencyClaim {
  return {
    tenant: newTenant(),
    key: randomUUID(),
    requestHash: 'a'.repeat(64),
    resourceId: `job_${randomUUID()}`,
    claimTtlMs: 400,
    retentionMs: 2000,
    ...changes,
  };
}

export function idempotencyStoreConformance(makeAdapter: MakeAdapter<'idempotencyStore'>): void {
  describe('IdempotencyStore', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().idempotencyStore;

    it('lets exactly one of 50 parallel requests begin; the others learn its resource', async () => {
      const claim = newClaim();
      const answers = await atOnce(50, (index) => store().begin({ ...claim, resourceId: `job_${index}` }));
      const begun = answers.filter((answer) => answer.outcome === 'begin');
      expect(begun).toEqual([{ outcome: 'begin', resourceId: expect.any(String), resumed: false }]);
      const { resourceId } = begun[0]!;
      const others = answers.filter((answer) => answer.outcome !== 'begin');
      expect(others).toEqual(Array(49).fill({ outcome: 'in_progress', resourceId }));
    });

    it('replays the first answer, byte for byte, as often as it is asked', async () => {
      const claim = newClaim();
      await store().begin(claim);
      await store().finish(claim.tenant, claim.key, response);
      for (let round = 0; round < 3; round++) {
        const { resourceId } = claim;
        const answer = await store().begin({ ...claim, resourceId: 'another' });
        expect(answer).toEqual({ outcome: 'replay', resourceId, response });
      }
    });

    it('keeps the answer that was recorded first', async () => {
      const claim = newClaim();
      await store().begin(claim);
      await store().finish(claim.tenant, claim.key, response);
      await store().finish(claim.tenant, claim.key, { ...response, status: 500 });
      expect(await store().begin(claim)).toMatchObject({ outcome: 'replay', response });
    });

    it('refuses the same key with another body, answered or not', async () => {
      const claim = newClaim();
      const other = { ...claim, requestHash: 'b'.repeat(64) };
      await store().begin(claim);
      expect(await store().begin(other)).toEqual({ outcome: 'mismatch' });
      await store().finish(claim.tenant, claim.key, response);
      expect(await store().begin(other)).toEqual({ outcome: 'mismatch' });
    });

    it('keeps keys of different tenants apart', async () => {
      const claim = newClaim();
      await store().begin(claim);
      await store().finish(claim.tenant, claim.key, response);
      const other = newClaim({ key: claim.key });
      expect(await store().begin(other)).toMatchObject({ outcome: 'begin', resourceId: other.resourceId });
    });

    it('hands a claim that was never answered to exactly one repeat, with the same resource', async () => {
      const claim = newClaim();
      await store().begin(claim);
      await adapter().advance(claim.claimTtlMs + 1);
      const answers = await atOnce(20, () => store().begin({ ...claim, resourceId: 'another' }));
      const begun = answers.filter((answer) => answer.outcome === 'begin');
      expect(begun).toEqual([{ outcome: 'begin', resourceId: claim.resourceId, resumed: true }]);
      await store().finish(claim.tenant, claim.key, response);
      expect(await store().begin(claim)).toMatchObject({ outcome: 'replay', resourceId: claim.resourceId });
    });

    it('forgets an abandoned claim: the next request begins anew', async () => {
      const claim = newClaim();
      await store().begin(claim);
      await store().abandon(claim.tenant, claim.key);
      const next = { ...claim, resourceId: 'another', requestHash: 'b'.repeat(64) };
      expect(await store().begin(next)).toEqual({ outcome: 'begin', resourceId: 'another', resumed: false });
    });

    it('does not let an answer be abandoned', async () => {
      const claim = newClaim();
      await store().begin(claim);
      await store().finish(claim.tenant, claim.key, response);
      await store().abandon(claim.tenant, claim.key);
      expect(await store().begin(claim)).toMatchObject({ outcome: 'replay' });
    });

    it('remembers an answer as long as asked, and not longer', async () => {
      const claim = newClaim();
      await store().begin(claim);
      await store().finish(claim.tenant, claim.key, response);
      await adapter().advance(claim.claimTtlMs * 2);
      expect(await store().begin(claim)).toMatchObject({ outcome: 'replay' });
      await adapter().advance(claim.retentionMs);
      const answer = await store().begin({ ...claim, resourceId: 'another', requestHash: 'b'.repeat(64) });
      expect(answer).toEqual({ outcome: 'begin', resourceId: 'another', resumed: false });
    });
  });
}
