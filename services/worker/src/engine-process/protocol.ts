/**
 * What the worker and its engine process say to each other over the IPC channel. Both run the same version of this code, so messages are
 * checked for their shape only as far as a mix-up could go unnoticed; the version in the first message catches two releases that meet.
 */
import type { GenerationSpec } from '@inkwell/contracts';
import type { StepReport } from '@inkwell/engine';
import type { ModelBackendInfo } from '@inkwell/ports';

export const protocolVersion = 2;

/** What the engine process is to run; composed by the caller, crosses the process border as JSON. */
export interface EngineConfig {
  /** `auto` picks the best that initialises; `null` computes nothing and answers fixed tokens. */
  backend: 'auto' | 'native' | 'wasm' | 'tfjs' | 'tfjs-node' | 'tfjs-node-gpu' | 'webgpu' | 'null';
  /** A model in Hugging Face layout; the null backend reads its tokenizer and context length. */
  modelDir: string;
  /** 0 = the backend's choice. */
  threads: number;
  /** How weights are kept; left out, the backend's choice. All workers that serve one model must agree, or a job that moves changes. */
  quantization?: 'auto' | 'none' | 'int8' | 'int4' | 'w4a8';
  /** How keys and values are kept; left out, the backend's choice. To be agreed on, too. */
  kvCache?: 'auto' | 'int8' | 'int4';
  /** Where quantised weights are kept for the next start; left out, nowhere. */
  cacheDirectory?: string;
  /** False keeps kernels at 128-bit vectors. */
  wideVectors?: boolean;
  /** Whether guesses at next tokens are computed along, where it pays; left out, not. Changes no token. */
  speculation?: 'auto' | 'off';
  /** Milliseconds a step of the null backend takes. */
  nullPaceMs: number;
  /** KV blocks; left out, the backend's choice. */
  blockCount?: number;
  /** Most sequences that run at once. */
  maxSequences: number;
}

export type ToEngine =
  | { type: 'start'; version: number; config: EngineConfig }
  /**
   * `run` names this submission; `delivered` are the tokens per choice that need not be drawn again; computed beginnings of prompts are shared
   * within a `scope` only.
   */
  | { type: 'submit'; run: string; spec: GenerationSpec; delivered: number[][]; scope?: string }
  | { type: 'abort'; run: string }
  | { type: 'ping' };

export type FromEngine =
  | { type: 'hello'; version: number }
  /** The model is being loaded; said at every hundredth. */
  | { type: 'loading'; percent: number }
  | { type: 'ready'; info: ModelBackendInfo }
  /** The model cannot be loaded; the process ends. */
  | { type: 'failed'; message: string }
  /** One step. `report.jobs[].id` is the submission's `run`. */
  | { type: 'step'; report: StepReport; durationMs: number }
  | { type: 'refused'; run: string; message: string }
  | { type: 'pong' };

const fieldsOf: Record<string, Record<string, 'string' | 'number' | 'object'>> = {
  start: { version: 'number', config: 'object' },
  submit: { run: 'string', spec: 'object', delivered: 'object' },
  abort: { run: 'string' },
  ping: {},
  hello: { version: 'number' },
  loading: { percent: 'number' },
  ready: { info: 'object' },
  failed: { message: 'string' },
  step: { report: 'object', durationMs: 'number' },
  refused: { run: 'string', message: 'string' },
  pong: {},
};

function check(message: unknown, kinds: readonly string[]): void {
  const fields = message as Record<string, unknown> | null;
  const type = typeof fields === 'object' && fields !== null ? fields.type : undefined;
  const expected = typeof type === 'string' && kinds.includes(type) ? fieldsOf[type] : undefined;
  if (fields === null || expected === undefined) throw new TypeError(`unknown engine message ${String(type)}`);
  for (const [name, kind] of Object.entries(expected)) {
    if (typeof fields[name] !== kind || fields[name] === null) {
      throw new TypeError(`engine message ${String(type)} has no valid ${name}`);
    }
  }
}

function asToEngine(message: unknown): ToEngine {
  check(message, ['start', 'submit', 'abort', 'ping']);
  return message as ToEngine;
}

function asFromEngine(message: unknown): FromEngine {
  check(message, ['hello', 'loading', 'ready', 'failed', 'step', 'refused', 'pong']);
  return message as FromEngine;
}

/** What is said in one turn of the event loop goes over as one list, since each crossing costs more than most messages. */
function asList(raw: unknown): readonly unknown[] {
  if (!Array.isArray(raw)) throw new TypeError('an engine message came outside of a list');
  return raw;
}

/** Throws TypeError for anything that is no list of messages to the engine. */
export function asAllToEngine(raw: unknown): ToEngine[] {
  return asList(raw).map(asToEngine);
}

/** Throws TypeError for anything that is no list of messages from the engine. */
export function asAllFromEngine(raw: unknown): FromEngine[] {
  return asList(raw).map(asFromEngine);
}
