export type { ApiKeyPatch, ApiKeyRecord, ApiKeyUse, LimitOverrides } from './api-key.ts';
export { unrestrictedKey } from './api-key.ts';
export type { AuditAction, AuditEvent } from './audit.ts';
export { auditActions, auditActorKinds, auditEventSchema, auditFact, auditOutcomes } from './audit.ts';
export type { AuditEntry, AuditHead, AuditRecord, ChainBreak, ChainPiece } from './audit-chain.ts';
export { ChainWalk, chainAfter, chainPiece, chainStart, emptyHead, readChainPiece } from './audit-chain.ts';
export type { ClusterConfig, EmbeddedConfig, IdentitySettings, ServiceConfig } from './config.ts';
export { readClusterConfig, readEmbeddedConfig, readServiceConfig, renderEnvironmentExample } from './config.ts';
export { renderErrorReference } from './error-reference.ts';
export type { ErrorBody, ErrorCode, ErrorOptions, ErrorType, RefusalNote } from './errors.ts';
export { errorTable, InkwellError } from './errors.ts';
export type { Fact } from './fact.ts';
export { factSchema } from './fact.ts';
export type { FactKind, ReadFact } from './fact-bodies.ts';
export { readFact } from './fact-bodies.ts';
export type { FoldedEvents } from './fold-events.ts';
export { foldEvents, joinLogprobs } from './fold-events.ts';
export type {
  Choice,
  FinishReason,
  GenerationSpec,
  JobKey,
  JobOrigin,
  JobOutcome,
  JobRecord,
  JobResult,
  JobState,
  LogprobsBlock,
  NewJob,
  OutputFilter,
  Priority,
  SamplingSpec,
  TerminalState,
  Usage,
} from './job.ts';
export {
  canTransition,
  isTerminal,
  jobKey,
  jobStates,
  jobTransitions,
  neutralSampling,
  priorities,
  terminalStates,
} from './job.ts';
export { creationOfEnded, jobCreatedFact } from './job-created.ts';
export type { JobEnded } from './job-ended.ts';
export { jobEndedFact } from './job-ended.ts';
export type { DeltaEvent, JobEvent, NewJobEvent, QueuedEvent, StartedEvent, TerminalEvent } from './job-event.ts';
export { isTerminalEvent } from './job-event.ts';
export type { JobMessage } from './job-message.ts';
export { jobMessageSchema, sequencesOf, toJobMessage } from './job-message.ts';
export { kafkaServers } from './kafka-settings.ts';
export type { RoleAllowance } from './role-allowance.ts';
export { roleAllowances } from './role-allowance.ts';
export type { Role, Scope } from './scope.ts';
export { hasRole, isScope, lowerRole, roles, scopes, scopesOfKey, scopesOfRole } from './scope.ts';
export type { Revocation, RevokedSubject, SessionKind, SessionRecord } from './session.ts';
export { hasRefusedText, textRefusedFact } from './text-refused.ts';
export type { UserPatch, UserRecord } from './user.ts';
