/** AttemptStore over MongoDB: a try is a compare-and-set of its counter, repeated when somebody else was faster. */
import type { AttemptRule, AttemptStore } from '@inkwell/ports';
import { isDuplicate, type MongoConnection } from './connection.ts';

export function createAttemptStore({ attempts, usedOnce, call }: MongoConnection): AttemptStore {
  /** True when the insert was the first of its kind. */
  async function inserted(insert: () => Promise<unknown>): Promise<boolean> {
    try {
      await insert();
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  async function begin(subject: string, now: number, { delaysMs, forgetMs }: AttemptRule) {
    for (;;) {
      const seen = await attempts.findOne({ _id: subject }).lean();
      const tries = seen && seen.expiresAt > now ? seen.tries : 0;
      if (seen && tries > 0 && seen.nextAt > now) return { retryAfterMs: seen.nextAt - now };
      const delayMs = delaysMs[Math.min(tries, delaysMs.length - 1)] ?? 0;
      const next = { tries: tries + 1, nextAt: now + delayMs, expiresAt: now + forgetMs };
      const won = seen
        ? (await attempts.updateOne({ _id: subject, tries: seen.tries, expiresAt: seen.expiresAt }, { $set: next }))
            .matchedCount === 1
        : await inserted(() => attempts.insertMany([{ _id: subject, ...next }]));
      if (won) return 'allowed';
    }
  }

  return {
    begin: (subject, now, rule) => call(() => begin(subject, now, rule)),

    clear: (subject) =>
      call(async () => {
        await attempts.deleteOne({ _id: subject });
      }),

    useOnce: (text, now, expiresAt) =>
      call(async () => {
        await usedOnce.deleteOne({ _id: text, expiresAt: { $lte: now } });
        return inserted(() => usedOnce.insertMany([{ _id: text, expiresAt }]));
      }),

    pruneAttempts: (now) =>
      call(async () => {
        const over = { expiresAt: { $lte: now } };
        return (await attempts.deleteMany(over)).deletedCount + (await usedOnce.deleteMany(over)).deletedCount;
      }),
  };
}
