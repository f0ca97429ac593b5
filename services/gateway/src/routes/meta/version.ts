import { versionSchema } from '@inkwell/contracts/http';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /version` */
export const version = defineOperation({
  id: 'version',
  method: 'get',
  path: '/version',
  tag: 'About',
  summary: 'What runs here',
  access: 'open',
  answers: { 200: jsonAnswer('Version of the server and of its runtime.', versionSchema) },
  async handle(_call, gateway) {
    return json(200, { name: 'inkwell', version: gateway.version, node: process.versions.node });
  },
});
