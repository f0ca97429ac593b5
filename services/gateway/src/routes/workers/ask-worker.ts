import { InkwellError } from '@inkwell/contracts';
import { workerIdSchema, workerSchema } from '@inkwell/contracts/http';
import type { WorkerWish } from '@inkwell/ports';
import { z } from 'zod';
import { audited } from '../../audit/audit.ts';
import { toWorkerResource } from '../../delivery/worker-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

const params = z.object({ id: workerIdSchema });

const acts = { drain: 'admin.worker_drained', resume: 'admin.worker_resumed' } as const;
const noWorker = () => new InkwellError('not_found', { message: 'No worker with this id lives.', param: 'id' });

/** An operation that asks a worker for something and answers the worker as it is now; it follows within a second. */
function askWorker(verb: 'drain' | 'resume', wish: WorkerWish, summary: string) {
  return defineOperation({
    id: `${verb}Worker`,
    method: 'post',
    path: `/api/admin/workers/{id}/${verb}`,
    tag: 'Administration',
    summary,
    access: 'operator',
    params,
    answers: { 200: jsonAnswer('Asked; the worker follows within a second.', workerSchema) },
    errors: ['not_found'],
    async handle(call, gateway) {
      const { id } = call.params;
      const { workerRegistry } = gateway.ports;
      const find = async () => (await workerRegistry.list()).find((one) => one.id === id);
      if (!(await find())) throw noWorker();
      const worker = await audited(gateway, call, { action: acts[verb], resource: `worker/${id}` }, async () => {
        const asked = (await workerRegistry.ask(id, wish)) ? await find() : undefined;
        // It left meanwhile.
        if (!asked) throw noWorker();
        return asked;
      });
      return json(200, toWorkerResource(worker));
    },
  });
}

/** `POST /api/admin/workers/{id}/drain` */
export const drainWorker = askWorker('drain', 'drain', 'Let a worker finish what runs and take nothing new');
/** `POST /api/admin/workers/{id}/resume` */
export const resumeWorker = askWorker('resume', 'run', 'Let a drained worker work again');
