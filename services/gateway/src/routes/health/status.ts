import { InkwellError } from '@inkwell/contracts';
import { healthStatusSchema } from '@inkwell/contracts/http';
import type { GatewayContext } from '../../context.ts';
import { awaitOutcome } from '../../delivery/await-outcome.ts';
import { outcomeError } from '../../delivery/completion.ts';
import { acceptJob } from '../../jobs/accept-job.ts';
import { acceptRequest } from '../../jobs/accepted-request.ts';
import { newJobId } from '../../jobs/job-id.ts';
import { type Call, defineOperation, json, jsonAnswer } from '../../operation.ts';

/** One token through the whole house: accepted, queued, drawn, streamed. It expires by itself if it takes too long. */
async function tryInference(gateway: GatewayContext, call: Call) {
  const { clock, config, models } = gateway;
  const start = clock.now();
  const model = models[0]!.id;
  const id = newJobId();
  const deadline = (start + config.healthTimeoutMs) / 1_000;
  const report = (error: string | null) => ({
    status: error === null ? 'ok' : 'unavailable',
    model,
    job_id: id,
    duration_seconds: (clock.now() - start) / 1_000,
    error,
  });
  try {
    const request = {
      model,
      prompt: 'Hello',
      max_tokens: 1,
      temperature: 0,
      deadline,
      metadata: { purpose: 'health' },
    };
    const accepted = acceptRequest(request, call, gateway, { priority: 'interactive', onDisconnect: 'continue' });
    const { record } = await acceptJob(gateway, accepted, id, 'end');
    const outcome = await awaitOutcome(gateway, record, AbortSignal.timeout(config.healthTimeoutMs));
    if (!outcome) return report('deadline_exceeded');
    return report(outcomeError(outcome)?.code ?? null);
  } catch (error) {
    if (error instanceof InkwellError) return report(error.code);
    throw error;
  }
}

/** `GET /api/health/status`: runs a tiny real inference through the queue and tells how long it took. */
export const status = defineOperation({
  id: 'status',
  method: 'get',
  path: '/api/health/status',
  tag: 'Health',
  summary: 'Does it really generate?',
  description: 'Runs one token through the queue. Needs the key of an operator, or none from the machine it runs on.',
  access: 'monitor',
  scope: 'admin',
  answers: {
    200: jsonAnswer('It does.', healthStatusSchema),
    503: jsonAnswer('It does not; the report says how far it got.', healthStatusSchema),
  },
  async handle(call, gateway) {
    const counts = await gateway.ports.jobStore.counts();
    const inference = await tryInference(gateway, call);
    const report = {
      status: inference.status,
      version: gateway.version,
      uptime_seconds: process.uptime(),
      queued: counts.queued,
      in_progress: counts.inProgress,
      inference,
    };
    return inference.status === 'ok' ? json(200, report) : json(503, report, { 'retry-after': '1' });
  },
});
