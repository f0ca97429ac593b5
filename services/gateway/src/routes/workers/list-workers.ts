import { workerListSchema } from '@inkwell/contracts/http';
import { toWorkerResource } from '../../delivery/worker-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/admin/workers`: who lives, and how busy each is. */
export const listWorkers = defineOperation({
  id: 'listWorkers',
  method: 'get',
  path: '/api/admin/workers',
  tag: 'Administration',
  summary: 'List the workers that live',
  access: 'operator',
  scope: 'admin',
  answers: { 200: jsonAnswer('The workers, by id.', workerListSchema) },
  async handle(_call, gateway) {
    const workers = await gateway.ports.workerRegistry.list();
    return json(200, { object: 'list', data: workers.map(toWorkerResource) });
  },
});
