/**
 * What was used: requests and tokens, summed in time buckets. Promises: an entry counts once, however often and by however many recorders it
 * is handed in, and wholly or not at all; what `add` answered is durable and in every later sum. Buckets are hours and days of UTC.
 */
export interface UsageEntry {
  /** Counts once per id. */
  factId: string;
  /** Unix milliseconds; decides the bucket. */
  at: number;
  tenant: string;
  keyId: string | null;
  userId: string | null;
  model: string;
  promptTokens: number;
  completionTokens: number;
}

export const usageGroups = ['tenant', 'key', 'user', 'model'] as const;
export type UsageGroup = (typeof usageGroups)[number];

export const bucketMs = { hour: 3_600_000, day: 86_400_000 } as const;
export type BucketSize = keyof typeof bucketMs;

export interface UsageQuery {
  /** Every tenant's when left out. */
  tenant?: string;
  size: BucketSize;
  /** Unix milliseconds, rounded down to a bucket's start. */
  from: number;
  /** Not included; rounded up. */
  before: number;
  groupBy: readonly UsageGroup[];
  /** Most sums answered. */
  limit: number;
}

export interface UsageSum {
  /** Start of the bucket, Unix milliseconds. */
  start: number;
  /** A value for each group that was asked for; null also where the entries had none. */
  tenant: string | null;
  key: string | null;
  user: string | null;
  model: string | null;
  requests: number;
  promptTokens: number;
  completionTokens: number;
}

export interface UsageLedger {
  add(entries: readonly UsageEntry[]): Promise<void>;
  /** By bucket, oldest first, then by the groups' values. Buckets without use have no sum. */
  sum(query: UsageQuery): Promise<UsageSum[]>;
}
