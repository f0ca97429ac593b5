/**
 * The job: its states, the record that is kept of it and the rules by which it moves. Every HTTP endpoint that generates text is a facade
 * over this one thing. Times in records are Unix milliseconds; the HTTP resource shows seconds.
 */
import type { ErrorBody } from './errors.ts';

export const jobStates = [
  'queued',
  'in_progress',
  'completed',
  'failed',
  'cancelled',
  'expired',
  'incomplete',
] as const;
export type JobState = (typeof jobStates)[number];

export const terminalStates = ['completed', 'failed', 'cancelled', 'expired', 'incomplete'] as const;
export type TerminalState = (typeof terminalStates)[number];

/** The one table of legal moves. `in_progress → queued` does not exist: a redelivered job stays in progress and continues. */
export const jobTransitions: Readonly<Record<JobState, readonly JobState[]>> = {
  queued: ['in_progress', 'failed', 'cancelled', 'expired'],
  in_progress: ['completed', 'failed', 'cancelled', 'expired', 'incomplete'],
  completed: [],
  failed: [],
  cancelled: [],
  expired: [],
  incomplete: [],
};

export function isTerminal(state: JobState): state is TerminalState {
  return jobTransitions[state].length === 0;
}

export function canTransition(from: JobState, to: JobState): boolean {
  return jobTransitions[from].includes(to);
}

/** Most urgent first: a worker takes nothing of a later class while an earlier one waits. */
export const priorities = ['interactive', 'standard', 'batch'] as const;
export type Priority = (typeof priorities)[number];

/**
 * Names a job inside the system. Client-chosen ids are unique per tenant only, so the tenant is part of the name. Built by `jobKey` alone.
 */
export type JobKey = string & { readonly __brand: 'JobKey' };

/** `tenant` must not hold a colon (tenant ids never do); `id` may be any client id. */
export function jobKey(tenant: string, id: string): JobKey {
  return `${tenant}:${id}` as JobKey;
}

/** How each next token is drawn. Ranges are enforced by the request schemas; a spec is always within them. */
export interface SamplingSpec {
  /** 0 = greedy. */
  temperature: number;
  topP: number;
  /** 0 = off. */
  topK: number;
  /** 0 = off. */
  minP: number;
  presencePenalty: number;
  frequencyPenalty: number;
  /** 1 = off. */
  repetitionPenalty: number;
  /** Token id (decimal string) → added to its logit, −100…100. */
  logitBias: Record<string, number>;
  /** Always present: chosen by the gateway when the client gave none, so that a restart draws the same tokens. */
  seed: number;
}

/** The model's own distribution: every knob off. */
export const neutralSampling: Readonly<SamplingSpec> = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
  logitBias: {},
  seed: 0,
};

/** Phrases that must not be in a job's text. Part of the spec, so that a change of the rules never changes a job that was accepted before. */
export interface OutputFilter {
  /** Names the content: filters of one version are equal. */
  version: string;
  phrases: {
    /** Id of the rule it belongs to. */
    rule: string;
    text: string;
    /** Not inside a longer word. */
    whole: boolean;
  }[];
  /** Ends a text from which a phrase was kept. */
  replacement: string;
}

/** All that is needed to run a job; a pure function of this and the weights is its text. */
export interface GenerationSpec {
  model: string;
  /** Token ids of each prompt. Choices are numbered promptIndex × n + i. */
  prompts: number[][];
  maxTokens: number;
  n: number;
  /** Candidates drawn per prompt; the n of highest mean log-probability are kept. Equal to n unless asked for. */
  bestOf: number;
  sampling: SamplingSpec;
  /** At most four; the text ends before the first that appears. */
  stop: string[];
  /** Top alternatives to report per token, 0…5; null = no logprobs. */
  logprobs: number | null;
  /** Text begins with the prompt. */
  echo: boolean;
  /** Keep going past the end-of-text token. Used to measure, never by default. */
  ignoreEos: boolean;
  /** Left out: nothing is banned. */
  outputFilter?: OutputFilter;
}

/** Logprobs of one stretch of text in the OpenAI completions shape; all arrays have one entry per token. */
export interface LogprobsBlock {
  tokens: string[];
  /** null only for the very first token of an echoed prompt. */
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[] | null;
  /** Offset of each token in the choice's text, in UTF-16 code units. */
  text_offset: number[];
}

export type FinishReason = 'stop' | 'length' | 'content_filter';

export interface Choice {
  text: string;
  index: number;
  logprobs: LogprobsBlock | null;
  /** null for a choice that was cut short by cancel, deadline or failure. */
  finish_reason: FinishReason | null;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export interface JobResult {
  choices: Choice[];
  usage: Usage;
}

/** How a job ended. The terminal event and the record carry the same outcome. */
export interface JobOutcome {
  state: TerminalState;
  /** What was produced, also when the job was cut short; null if nothing was. */
  result: JobResult | null;
  error: ErrorBody | null;
  finishedAt: number;
}

/** Who asked for a job, and from where: what audit says of its creation. */
export interface JobOrigin {
  actor: { kind: 'key' | 'user' | 'local'; id: string };
  userId: string | null;
  ip: string | null;
}

export interface JobRecord {
  key: JobKey;
  tenant: string;
  id: string;
  state: JobState;
  priority: Priority;
  spec: GenerationSpec;
  metadata: Record<string, string>;
  /** Tokens this job may take: Σ over its sequences of prompt + max_tokens. What fairness counts. */
  costTokens: number;
  /** Tokens reserved for it in its creator's limits; absent when none limit tokens. */
  reservedTokens?: number;
  createdAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  deadlineAt: number | null;
  /** What becomes of it when the client that follows it goes away. */
  onDisconnect: 'continue' | 'cancel';
  /** Times a worker began or continued it. */
  attempts: number;
  /** 1-based arrival number inside its priority; given by the store at creation. */
  ordinal: number;
  /** SHA-256 (hex) of the canonical request: the same PUT again is recognised by it. Empty when the client chose neither id nor key. */
  requestHash: string;
  /** API key id that created it; empty when no key was used. */
  createdBy: string;
  /** Absent in records of older versions. */
  origin?: JobOrigin;
  requestId: string;
  /** Called when it has ended. */
  webhook?: string;
  result: JobResult | null;
  error: ErrorBody | null;
}

/** A record as the gateway hands it to the store, which adds the ordinal. */
export type NewJob = Omit<JobRecord, 'ordinal'>;
