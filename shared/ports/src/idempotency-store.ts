/**
 * Remembers what was answered to a creating request, so that the same request sent again gets the same answer. The resource id is chosen
 * before the work begins and is durable with the claim: after a crash between work and answer the repeat takes up the same resource.
 */
export interface StoredResponse {
  status: number;
  /** Only those headers worth repeating (`location`, `content-type`). */
  headers: Record<string, string>;
  body: string;
}

export type BeginResult =
  /** Go on; the work is this request's. `resumed` = an earlier request claimed it and died; use its resource id. */
  | { outcome: 'begin'; resourceId: string; resumed: boolean }
  | { outcome: 'replay'; resourceId: string; response: StoredResponse }
  /** Same key, another body. */
  | { outcome: 'mismatch' }
  /** The first request is still being answered. `resourceId` lets a streaming caller join it. */
  | { outcome: 'in_progress'; resourceId: string };

export interface IdempotencyClaim {
  tenant: string;
  key: string;
  /** SHA-256 (hex) over method, path and canonical body. */
  requestHash: string;
  /** The id the resource will have if this claim is the first. */
  resourceId: string;
  /** The claim is void after this long without an answer. */
  claimTtlMs: number;
  /** How long the answer is remembered, counted from the claim. */
  retentionMs: number;
}

export interface IdempotencyStore {
  begin(claim: IdempotencyClaim): Promise<BeginResult>;
  /** Records the answer. */
  finish(tenant: string, key: string, response: StoredResponse): Promise<void>;
  /** Forgets an unanswered claim: the request failed before anything was created. */
  abandon(tenant: string, key: string): Promise<void>;
}
