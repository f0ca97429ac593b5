import { probeSchema } from '@inkwell/contracts/http';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/health/liveness`: depends on nothing but the event loop, so that no outage elsewhere gets this process killed. */
export const liveness = defineOperation({
  id: 'liveness',
  method: 'get',
  path: '/api/health/liveness',
  tag: 'Health',
  summary: 'Should this process be restarted?',
  access: 'open',
  answers: { 200: jsonAnswer('No, it lives.', probeSchema) },
  async handle() {
    return json(200, { status: 'ok' });
  },
});
