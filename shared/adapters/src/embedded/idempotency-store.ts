/** IdempotencyStore over the embedded database. Claims without an answer are void when the store is opened: their owner is gone. */
import type { Clock, IdempotencyStore, StoredResponse } from '@inkwell/ports';
import type { Database } from './database.ts';

export function createIdempotencyStore(database: Database, clock: Clock): IdempotencyStore {
  return {
    async begin(claim) {
      const answer = await database.write('beginRequest', { claim: { ...claim }, now: clock.now() });
      if (answer.outcome !== 'replay') return answer;
      return { ...answer, response: JSON.parse(answer.response) as StoredResponse };
    },

    finish: (tenant, key, response) =>
      database.write('finishRequest', { tenant, key, response: JSON.stringify(response) }),

    abandon: (tenant, key) => database.write('abandonRequest', { tenant, key }),
  };
}
