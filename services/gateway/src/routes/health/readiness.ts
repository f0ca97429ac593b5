import { probeSchema } from '@inkwell/contracts/http';
import { probe } from '../../delivery/probe.ts';
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
    const found = gateway.lifecycle.closing ? ({ status: 'unavailable' } as const) : await probe(gateway);
    return found.status === 'ok' ? json(200, found) : json(503, found, { 'retry-after': '1' });
  },
});
