import { probeSchema } from '@inkwell/contracts/http';
import { isReady } from '../../delivery/is-ready.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/health/readiness`: whether new requests should be sent here now. */
export const readiness = defineOperation({
  id: 'readiness',
  method: 'get',
  path: '/api/health/readiness',
  tag: 'Health',
  summary: 'Should requests be sent here?',
  access: 'open',
  answers: {
    200: jsonAnswer('Yes.', probeSchema),
    503: jsonAnswer('Not now: a dependency is missing, or the server is closing.', probeSchema),
  },
  async handle(_call, gateway) {
    const ready = !gateway.lifecycle.closing && (await isReady(gateway));
    return ready ? json(200, { status: 'ok' }) : json(503, { status: 'unavailable' }, { 'retry-after': '1' });
  },
});
