/**
 * What was used: requests and tokens of ended jobs, summed in time buckets by when they ended. It is a view of `JobHistory`: a job counts once and
 * wholly, however often and by however many recorders it is recorded, and what `record` answered is in every later sum. Buckets are hours and
 * days of UTC.
 */
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
  /** By bucket, oldest first, then by the groups' values. Buckets without use have no sum. */
  sum(query: UsageQuery): Promise<UsageSum[]>;
}
