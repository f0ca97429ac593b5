import { probeSchema } from '@inkwell/contracts/http';
import { probe } from '../../delivery/probe.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/health/startup`: unavailable until store and worker have answered. */
export const startup = defineOperation({
  id: 'startup',
  method: 'get',
  path: '/api/health/startup',
  tag: 'Health',
  summary: 'Has it started?',
  access: 'open',
  answers: {
    200: jsonAnswer('Yes.', probeSchema),
    503: jsonAnswer('Not yet.', probeSchema),
  },
  async handle(_call, gateway) {
    const found = await probe(gateway);
    return found.status === 'ok' ? json(200, found) : json(503, found, { 'retry-after': '1' });
  },
});
