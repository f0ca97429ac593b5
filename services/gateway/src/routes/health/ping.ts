import { probeSchema } from '@inkwell/contracts/http';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/health/ping`: this process answers HTTP. */
export const ping = defineOperation({
  id: 'ping',
  method: 'get',
  path: '/api/health/ping',
  tag: 'Health',
  summary: 'Is anybody there?',
  access: 'open',
  answers: { 200: jsonAnswer('Yes.', probeSchema) },
  async handle() {
    return json(200, { status: 'ok' });
  },
});
