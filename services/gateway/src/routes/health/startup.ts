import { probeSchema } from '@inkwell/contracts/http';
import { isReady } from '../../delivery/is-ready.ts';
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
    return (await isReady(gateway))
      ? json(200, { status: 'ok' })
      : json(503, { status: 'unavailable' }, { 'retry-after': '1' });
  },
});
