/** Everything this gateway serves. The router and the OpenAPI document are made from this list. */
import type { Operation } from '../operation.ts';
import { getDeadLetter, listDeadLetters, requeueDeadLetter } from './admin/dead-letters.ts';
import { getLimits } from './admin/limits.ts';
import { listQueues } from './admin/queues.ts';
import { getUser, listUsers, updateUser } from './admin/users.ts';
import { exportAudit } from './audit/export-audit.ts';
import { listAudit } from './audit/list-audit.ts';
import { verifyAudit } from './audit/verify-audit.ts';
import { createBrowserSession, getBrowserSession } from './auth/browser-session.ts';
import { changePassword } from './auth/change-password.ts';
import { githubCallback, githubLogin } from './auth/github.ts';
import { login } from './auth/login.ts';
import { logout } from './auth/logout.ts';
import { me } from './auth/me.ts';
import { refresh } from './auth/refresh.ts';
import { register } from './auth/register.ts';
import { listSessions, revokeSession } from './auth/sessions.ts';
import { token } from './auth/token.ts';
import { createCompletion } from './completions/create-completion.ts';
import { generate } from './generate/generate.ts';
import { generateWithApiKey } from './generate/generate-with-api-key.ts';
import { liveness } from './health/liveness.ts';
import { ping } from './health/ping.ts';
import { readiness } from './health/readiness.ts';
import { startup } from './health/startup.ts';
import { status } from './health/status.ts';
import { cancelOneJob } from './jobs/cancel-job.ts';
import { cancelJobs } from './jobs/cancel-jobs.ts';
import { createJob } from './jobs/create-job.ts';
import { getJob } from './jobs/get-job.ts';
import { jobEvents } from './jobs/job-events.ts';
import { listJobs } from './jobs/list-jobs.ts';
import { putJob } from './jobs/put-job.ts';
import { createKey } from './keys/create-key.ts';
import { getKey } from './keys/get-key.ts';
import { listKeys } from './keys/list-keys.ts';
import { revokeKey } from './keys/revoke-key.ts';
import { rotateKey } from './keys/rotate-key.ts';
import { updateKey } from './keys/update-key.ts';
import { docs, docsAssets } from './meta/docs.ts';
import { metrics } from './meta/metrics.ts';
import { openapi } from './meta/openapi.ts';
import { version } from './meta/version.ts';
import { getModel } from './models/get-model.ts';
import { listModels } from './models/list-models.ts';
import { detokenize } from './tokens/detokenize.ts';
import { tokenize } from './tokens/tokenize.ts';
import { getUsage } from './usage/get-usage.ts';
import { getWebhookSecret } from './webhooks/get-webhook-secret.ts';
import { drainWorker, resumeWorker } from './workers/ask-worker.ts';
import { listWorkers } from './workers/list-workers.ts';

export const operations: readonly Operation[] = [
  createCompletion,
  createJob,
  listJobs,
  cancelJobs,
  putJob,
  getJob,
  jobEvents,
  cancelOneJob,
  listModels,
  getModel,
  tokenize,
  detokenize,
  generate,
  generateWithApiKey,
  register,
  login,
  refresh,
  logout,
  me,
  changePassword,
  token,
  createBrowserSession,
  getBrowserSession,
  listSessions,
  revokeSession,
  githubLogin,
  githubCallback,
  listUsers,
  getUser,
  updateUser,
  createKey,
  listKeys,
  getKey,
  updateKey,
  rotateKey,
  revokeKey,
  getWebhookSecret,
  listQueues,
  listDeadLetters,
  getDeadLetter,
  requeueDeadLetter,
  getLimits,
  listWorkers,
  drainWorker,
  resumeWorker,
  getUsage,
  listAudit,
  exportAudit,
  verifyAudit,
  ping,
  status,
  liveness,
  readiness,
  startup,
  version,
  metrics,
  openapi,
  docs,
  docsAssets,
];
