/** JobSteps over the embedded database: each step is one operation of the writer, so one commit carries all of it. */
import type { JobEvent } from '@inkwell/contracts';
import { type Clock, type JobSteps, queuedEvent, startedEvent } from '@inkwell/ports';
import { endsStory, numberEvents } from '../append.ts';
import type { Database } from './database.ts';
import { toRecord, toRowPatch } from './job-record.ts';
import { toCreateInput, toCreateResult } from './job-store.ts';
import type { StoryWatch } from './story-watch.ts';

export function createJobSteps(database: Database, clock: Clock, watch: StoryWatch): JobSteps {
  return {
    async accept(job, limits) {
      const first: JobEvent = { ...queuedEvent(job), seq: 1 };
      const input = { ...toCreateInput(job, limits), body: JSON.stringify(first), now: clock.now() };
      const answer = await database.write('acceptJob', input);
      if (answer.outcome === 'created') watch.find(job.key)?.announce([first], false);
      return toCreateResult(job, answer);
    },

    async begin(key, owner, ttlMs, start) {
      const event = startedEvent(start);
      const input = { key, owner, ttlMs, now: clock.now(), startedAt: start.at, body: JSON.stringify(event) };
      const answer = await database.write('beginJob', input);
      if (answer.outcome === 'taken') {
        const { fence, started, row } = answer;
        if (started) watch.find(key)?.announce([event], false);
        return { outcome: 'taken', fence, started, record: toRecord(row) };
      }
      return answer.outcome === 'ended' ? { outcome: 'ended', record: toRecord(answer.row) } : answer;
    },

    async finish(key, { fence, afterSeq, events, state, patch, keepsLease = false }) {
      if (!endsStory(events)) throw new TypeError('A story ends with a terminal event.');
      const bodies = numberEvents(events, afterSeq).map((event) => JSON.stringify(event));
      const input = { key, fence, afterSeq, bodies, state, patch: toRowPatch(patch), keepsLease, now: clock.now() };
      const answer = await database.write('finishJob', input);
      if (answer === 'ok')
        watch.find(key)?.announce(
          bodies.map((body) => JSON.parse(body) as JobEvent),
          true,
        );
      return answer;
    },
  };
}
