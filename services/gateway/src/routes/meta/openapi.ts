import { z } from 'zod';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /openapi.json` */
export const openapi = defineOperation({
  id: 'openapi',
  method: 'get',
  path: '/openapi.json',
  tag: 'About',
  summary: 'This API as an OpenAPI 3.1 document',
  access: 'open',
  answers: { 200: jsonAnswer('The document.', z.looseObject({})) },
  async handle(_call, gateway) {
    return json(200, gateway.openApi());
  },
});
