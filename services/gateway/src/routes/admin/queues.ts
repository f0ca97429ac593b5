import { priorities } from '@inkwell/contracts';
import { queueListSchema } from '@inkwell/contracts/http';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/admin/queues` */
export const listQueues = defineOperation({
  id: 'listQueues',
  method: 'get',
  path: '/api/admin/queues',
  tag: 'Administration',
  summary: 'How many jobs wait, and for how long',
  access: 'operator',
  scope: 'admin',
  answers: { 200: jsonAnswer('The queues, most urgent first.', queueListSchema) },
  async handle(_call, { clock, ports: { jobStore } }) {
    const [{ queued, departed, inProgress }, oldest] = await Promise.all([
      jobStore.counts(),
      jobStore.oldestQueuedAt(),
    ]);
    return json(200, {
      object: 'list',
      data: priorities.map((priority) => ({
        object: 'queue',
        priority,
        queued: queued[priority],
        departed: departed[priority],
      })),
      queued: priorities.reduce((sum, priority) => sum + queued[priority], 0),
      in_progress: inProgress,
      oldest_queued_at: oldest === null ? null : oldest / 1_000,
      oldest_age_seconds: oldest === null ? null : Math.max(0, clock.now() - oldest) / 1_000,
    });
  },
});
