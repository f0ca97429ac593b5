/** The HTTP contract: one schema per request and answer. Validation, types and the OpenAPI document all come from these. */
export {
  adminUserChangeSchema,
  adminUserListQuerySchema,
  adminUserListSchema,
  adminUserSchema,
} from './admin-user.ts';
export {
  apiKeyChangeSchema,
  apiKeyIdSchema,
  apiKeyListSchema,
  apiKeyRequestSchema,
  apiKeyRotationSchema,
  apiKeySchema,
  limitOverridesSchema,
  newApiKeySchema,
} from './api-key.ts';
export {
  auditEntrySchema,
  auditFilterSchema,
  auditListQuerySchema,
  auditListSchema,
  auditVerificationSchema,
  auditVerifyQuerySchema,
} from './audit.ts';
export {
  browserSessionSchema,
  callerSchema,
  githubCallbackQuerySchema,
  loginSchema,
  passwordChangeSchema,
  refreshSchema,
  registrationSchema,
  sessionIdSchema,
  sessionListSchema,
  tokenRequestSchema,
  tokensSchema,
  userIdSchema,
} from './auth.ts';
export {
  type CompletionRequest,
  completionChunkSchema,
  completionRequestSchema,
  completionSchema,
  completionStreamSchema,
  generateRequestSchema,
  generateTemperature,
} from './completion.ts';
export { errorAnswerSchema, oauthErrorSchema, problemSchema } from './error.ts';
export { defaultMaxTokens, type GenerationRequest, maxSequences } from './generation.ts';
export { healthStatusSchema, type Probe, probeSchema, versionSchema } from './health.ts';
export {
  type JobResource,
  jobCancelAnswerSchema,
  jobCancelFilterSchema,
  jobEventSchema,
  jobEventsQuerySchema,
  jobGetQuerySchema,
  jobIdSchema,
  jobListQuerySchema,
  jobListSchema,
  jobRequestSchema,
  jobSchema,
  jobStreamSchema,
  maxWaitSeconds,
} from './job.ts';
export { modelListSchema, modelSchema } from './model.ts';
export {
  deadLetterDetailSchema,
  deadLetterIdSchema,
  deadLetterListQuerySchema,
  deadLetterListSchema,
  limitsSchema,
  queueListSchema,
  reachableDeadLetters,
  requeuedSchema,
} from './operations.ts';
export type { Prompt } from './prompt.ts';
export {
  detokenizationSchema,
  detokenizeRequestSchema,
  tokenizationSchema,
  tokenizeRequestSchema,
} from './tokens.ts';
export { usageQuerySchema, usageSchema } from './usage.ts';
export { webhookSecretSchema } from './webhook.ts';
export { type WorkerResource, workerIdSchema, workerListSchema, workerSchema } from './worker.ts';
